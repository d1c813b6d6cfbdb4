"""A wall of thumbnails in groups: arrows move, Enter or a click opens one. At most some 120 a page.

A component: thumbnails travel as data URLs of our own small WEBP files, so no original and no
folder is ever served. Names are data and are set as text, never as markup.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass, field
from pathlib import Path

import streamlit as st


@dataclass(frozen=True)
class Tile:
    """One thumbnail: ``alt`` is read aloud and shown on hover, ``mark`` is a word on its corner ("" for none)."""

    id: int
    src: str
    alt: str
    mark: str = ""


@dataclass(frozen=True)
class Group:
    """Tiles under one heading, with a note beside it."""

    title: str
    note: str = ""
    tiles: list[Tile] = field(default_factory=list)


_CSS = """
.wall { font-family: var(--st-font); color: var(--st-text-color); }
section { margin: 0 0 1.5rem; }
header { display: flex; align-items: baseline; gap: .6rem; margin: 0 0 .5rem; padding-bottom: .3rem; border-bottom: 1px solid var(--st-border-color); flex-wrap: wrap; }
h3 { margin: 0; font-family: var(--st-heading-font); font-size: 1.25rem; font-weight: 600; line-height: 1.3; overflow-wrap: anywhere; white-space: pre-wrap; }
header span { font-size: .875rem; opacity: .72; font-variant-numeric: tabular-nums; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(6rem, 1fr)); gap: .6rem; }
button { all: unset; box-sizing: border-box; position: relative; aspect-ratio: 1; cursor: zoom-in; background: #fff; overflow: hidden;
         border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); transition: box-shadow .12s, border-color .12s; }
button:hover { border-color: var(--st-primary-color); box-shadow: 0 0 0 1px var(--st-primary-color); }
button:focus-visible, button[aria-current=true] { border-color: var(--st-primary-color); box-shadow: 0 0 0 2px var(--st-primary-color); }
img { width: 100%; height: 100%; object-fit: contain; display: block; padding: 6%; box-sizing: border-box; }
button.photo img { padding: 0; object-fit: cover; }
i { position: absolute; left: .3rem; bottom: .3rem; font-style: normal; font-size: .6875rem; line-height: 1.5; padding: 0 .35rem;
    border-radius: .25rem; background: #262119d9; color: #fcf9f3; }
"""

_JS = """
const columns = tiles => {
  const top = tiles[0].getBoundingClientRect().top
  const first = tiles.findIndex(tile => tile.getBoundingClientRect().top > top + 4)
  return first < 0 ? tiles.length : first
}
export default function ({ data, parentElement, setTriggerValue }) {
  const wall = parentElement.querySelector('.wall')
  if (wall.dataset.version !== data.version) {
    wall.dataset.version = data.version
    wall.replaceChildren(...data.groups.map(group => {
      const section = document.createElement('section'), head = document.createElement('header'), tiles = document.createElement('div')
      const title = document.createElement('h3'), note = document.createElement('span')
      title.textContent = group.title
      note.textContent = group.note
      head.append(title, note)
      tiles.className = 'tiles'
      tiles.append(...group.tiles.map(tile => {
        const button = document.createElement('button'), image = document.createElement('img')
        button.type = 'button'
        button.title = tile.alt
        button.dataset.id = tile.id
        if (tile.src) image.src = tile.src
        image.alt = tile.alt
        image.decoding = 'async'
        button.append(image)
        if (tile.mark) { const mark = document.createElement('i'); mark.textContent = tile.mark; button.append(mark) }
        return button
      }))
      section.append(head, tiles)
      return section
    }))
  }
  const buttons = [...wall.querySelectorAll('button')]
  buttons.forEach((button, index) => {
    button.setAttribute('aria-current', String(button.dataset.id === String(data.current)))
    button.tabIndex = index === 0 ? 0 : -1
    button.onclick = () => setTriggerValue('opened', Number(button.dataset.id))
    button.onkeydown = event => {
      const row = columns([...button.parentElement.children])
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row, j: 1, k: -1 }[event.key]
      if (!step) return
      event.preventDefault()
      const next = buttons[Math.max(0, Math.min(buttons.length - 1, index + step))]
      buttons.forEach(other => { other.tabIndex = other === next ? 0 : -1 })
      next.focus()
    }
  })
}
"""

_COMPONENT = st.components.v2.component("burin_gallery", html='<div class="wall"></div>\n', css=_CSS, js=_JS)


def gallery(groups: list[Group], *, version: str, key: str, current: int | None = None) -> int | None:
    """Draw the wall; returns the id of the tile opened in this run, else None.

    ``version`` names what is shown: the tiles are drawn again only when it changes.
    """
    data = {"groups": [asdict(group) for group in groups], "version": version, "current": current}
    return _COMPONENT(data=data, key=key, on_opened_change=lambda: None).opened


@st.cache_data(max_entries=4000, show_spinner=False)
def data_url(sha256: str, thumbnail: str) -> str:
    """The thumbnail file as a ``data:`` URL; ``sha256`` (of the original) is what it is remembered by."""
    return "data:image/webp;base64," + base64.b64encode(Path(thumbnail).read_bytes()).decode("ascii")
