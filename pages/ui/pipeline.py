"""The pipeline as a picture: six stations on one engraved line, with live figures.

A component: HTML laid out by CSS (a row on a wide screen, a column on a phone), drawn with the
theme's own colours. Every text is data and is set as text, never as markup.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import streamlit as st

Pictogram = Literal["originals", "variants", "balance", "train", "evaluate", "identify"]


@dataclass(frozen=True)
class Station:
    """One step: ``figure`` is its live count, ``state`` how far it is; ``target`` names the page it opens ("" for none)."""

    pictogram: Pictogram
    title: str
    figure: str
    caption: str
    state: Literal["ready", "waiting", "absent"]
    note: str = ""
    target: str = ""


_CSS = """
.line { list-style: none; margin: 0; padding: 0; display: grid; gap: 0; grid-template-columns: repeat(6, minmax(0, 1fr));
        font-family: var(--st-font); color: var(--st-text-color); container-type: inline-size; }
.wrap { container-type: inline-size; padding: .25rem 0 .5rem; }
.station { position: relative; display: flex; flex-direction: column; align-items: stretch; min-width: 0; }
.plate { all: unset; box-sizing: border-box; width: 100%; display: flex; flex-direction: column; align-items: center;
         text-align: center; padding: 0 .5rem .75rem; border-radius: var(--st-base-radius); min-width: 0; }
button.plate { cursor: pointer; }
button.plate:hover .disc, button.plate:focus-visible .disc { border-color: var(--st-primary-color); background: var(--st-secondary-background-color); }
button.plate:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: -2px; }
button.plate:hover .title { color: var(--st-primary-color); }
.disc { position: relative; z-index: 1; width: 5.5rem; height: 5.5rem; border-radius: 50%; display: grid; place-items: center;
        background: var(--st-background-color); border: 1.5px solid var(--st-text-color); transition: background .15s, border-color .15s; }
.disc svg { width: 3.5rem; height: 3.5rem; fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; }
.disc svg .accent { stroke: var(--st-primary-color); }
.station::before { content: ""; position: absolute; top: 2.75rem; left: 0; right: 0; height: 0;
                   border-top: 1.5px solid var(--st-text-color); }
.station:first-child::before { left: 50%; }
.station:last-child::before { right: 50%; }
.title { font-family: var(--st-heading-font); font-weight: var(--st-heading-font-weight-4, 600); font-size: 1.1rem; margin-top: .7rem; line-height: 1.2; }
.figure { font-size: 1.75rem; line-height: 1.25; font-variant-numeric: tabular-nums lining-nums; font-weight: 500; overflow-wrap: anywhere; }
.caption { font-size: .875rem; line-height: 1.35; opacity: .75; overflow-wrap: anywhere; }
.note { display: inline-block; margin-top: .45rem; font-size: .75rem; padding: .1rem .55rem; border-radius: 1rem; line-height: 1.5;
        background: var(--st-gray-background-color); color: var(--st-gray-text-color); }
.station.ready .note { background: var(--st-green-background-color); color: var(--st-green-text-color); }
.station.waiting .note { background: var(--st-orange-background-color); color: var(--st-orange-text-color); }
.station.absent .disc { border-style: dashed; border-color: var(--st-gray-color); color: var(--st-gray-color); }
.station.absent .disc svg .accent { stroke: currentColor; }
.station.absent .title, .station.absent .figure { opacity: .62; }
.station.absent::before { border-top-style: dashed; border-color: var(--st-gray-color); }
@container (max-width: 46rem) {
  .line { grid-template-columns: 1fr; }
  .plate { display: grid; grid-template-columns: 4rem minmax(0, 1fr) auto; column-gap: 1rem; text-align: left; align-items: center; padding: .5rem .25rem; }
  .disc { width: 4rem; height: 4rem; grid-row: 1 / span 3; }
  .disc svg { width: 2.5rem; height: 2.5rem; }
  .title { margin: 0; grid-column: 2; }
  .figure { grid-column: 3; grid-row: 1 / span 2; font-size: 1.5rem; text-align: right; }
  .caption { grid-column: 2; }
  .note { grid-column: 2; justify-self: start; margin-top: .25rem; }
  .station::before { top: 0; bottom: 0; left: 2.25rem; right: auto; width: 0; height: auto; border-top: 0; border-left: 1.5px solid var(--st-text-color); }
  .station:first-child::before { top: 50%; left: 2.25rem; }
  .station:last-child::before { bottom: 50%; right: auto; }
  .station.absent::before { border-left-style: dashed; }
}
"""

_JS = """
const PICTOGRAMS = {
  originals: '<path d="M22 14c-6 10-6 26 0 36M42 14c6 10 6 26 0 36"/><path class="accent" d="M26 34h12c0-9-12-9-12 0 0 8 9 9 12 4"/>',
  variants: '<g opacity=".45"><path d="M12 10c-4 6-4 16 0 22M26 10c4 6 4 16 0 22M15 22h8c0-6-8-6-8 0 0 5 6 6 8 3"/></g><g transform="rotate(14 44 24)"><path d="M37 12c-4 6-4 16 0 22M51 12c4 6 4 16 0 22M40 24h8c0-6-8-6-8 0 0 5 6 6 8 3"/></g><g class="accent" transform="rotate(-9 30 46)"><path d="M23 35c-4 6-4 16 0 22M37 35c4 6 4 16 0 22M26 47h8c0-6-8-6-8 0 0 5 6 6 8 3"/></g>',
  balance: '<path d="M10 52h44"/><path d="M16 52V22M28 52V34M40 52V40M52 52V28" stroke-width="5" opacity=".8"/><path class="accent" d="M9 22h46" stroke-dasharray="3 4"/>',
  train: '<path d="M10 10v44h46" opacity=".7"/><path class="accent" d="M13 14c4 22 10 30 20 33s14 2 21 3"/><path d="M13 22c6 14 12 18 20 20s14 4 21 2" opacity=".5"/>',
  evaluate: '<path d="M12 12h40v40H12zM25.3 12v40M38.6 12v40M12 25.3h40M12 38.6h40" opacity=".6"/><g class="accent" stroke-width="5"><path d="M18.6 18.6h.01M32 32h.01M45.3 45.3h.01" stroke-width="9"/></g>',
  identify: '<circle cx="28" cy="28" r="18"/><path d="M41 41l14 14" stroke-width="3"/><path class="accent" d="M21 18c-4 6-4 14 0 20M35 18c4 6 4 14 0 20M24 29h8c0-6-8-6-8 0 0 5 6 6 8 3"/>',
}
export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector('ol')
  list.setAttribute('aria-label', data.label)
  list.replaceChildren(...data.stations.map(station => {
    const item = document.createElement('li')
    item.className = 'station ' + station.state
    const plate = document.createElement(station.target ? 'button' : 'div')
    plate.className = 'plate'
    if (station.target) { plate.type = 'button'; plate.onclick = () => setTriggerValue('opened', station.target) }
    const disc = document.createElement('span')
    disc.className = 'disc'
    disc.innerHTML = '<svg viewBox="0 0 64 64" aria-hidden="true">' + (PICTOGRAMS[station.pictogram] || '') + '</svg>'
    plate.append(disc)
    for (const part of ['title', 'figure', 'caption', 'note']) {
      if (!station[part]) continue
      const span = document.createElement('span')
      span.className = part
      span.textContent = station[part]
      plate.append(span)
    }
    item.append(plate)
    return item
  }))
}
"""

_COMPONENT = st.components.v2.component("burin_pipeline", html='<div class="wrap"><ol class="line"></ol></div>\n', css=_CSS, js=_JS)


def pipeline(stations: list[Station], *, label: str, key: str) -> str | None:
    """Draw the stations; returns the ``target`` of the one just clicked, else None."""
    result = _COMPONENT(data={"label": label, "stations": [asdict(s) for s in stations]}, key=key, on_opened_change=lambda: None)
    return result.opened
