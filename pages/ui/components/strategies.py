"""Strategies side by side, each with a small picture of the classes as they would be; one is chosen by a click or arrows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import streamlit as st


@dataclass(frozen=True)
class Card:
    """One strategy: ``bars`` are (held, added) for each class, the largest first, ``line`` the target (None: none);
    ``figure`` is its main number, ``lines`` what else is said."""

    name: str
    title: str
    figure: str
    lines: list[str]
    bars: list[tuple[int, int]]
    line: int | None


_CSS = """
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(13rem, 100%), 1fr)); gap: .75rem; font-family: var(--st-font); color: var(--st-text-color); padding: 3px; }
button { all: unset; box-sizing: border-box; display: flex; flex-direction: column; gap: .15rem; padding: .9rem 1rem; cursor: pointer; min-width: 0;
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); background: var(--st-background-color); transition: border-color .12s; }
button:hover { border-color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
button[aria-checked=true] { border-color: var(--st-primary-color); box-shadow: inset 0 0 0 1px var(--st-primary-color); background: var(--st-secondary-background-color); }
.title { font-family: var(--st-heading-font); font-weight: 600; font-size: 1.0625rem; line-height: 1.25; overflow-wrap: anywhere; }
svg { width: 100%; height: 3.25rem; margin: .45rem 0 .3rem; display: block; overflow: visible; }
.held { fill: var(--st-primary-color); } .added { fill: var(--st-blue-color); opacity: .55; }
.line { stroke: var(--st-text-color); stroke-width: 1; stroke-dasharray: 4 3; vector-effect: non-scaling-stroke; }
.figure { font-size: 1.25rem; font-weight: 500; font-variant-numeric: tabular-nums lining-nums; line-height: 1.3; }
.more { font-size: .8125rem; line-height: 1.4; opacity: .78; font-variant-numeric: tabular-nums; }
"""

_JS = """
const NS = 'http://www.w3.org/2000/svg'
const shape = (tag, attributes) => {
  const element = document.createElementNS(NS, tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  return element
}
const picture = card => {
  const count = Math.max(1, card.bars.length)
  const top = Math.max(1, card.line || 0, ...card.bars.map(([held, added]) => held + added))
  const svg = shape('svg', { viewBox: `0 0 ${count} 1`, preserveAspectRatio: 'none', 'aria-hidden': 'true' })
  card.bars.forEach(([held, added], at) => {
    const width = count > 60 ? 1 : .74
    if (held) svg.append(shape('rect', { class: 'held', x: at, width, y: 1 - held / top, height: held / top }))
    if (added) svg.append(shape('rect', { class: 'added', x: at, width, y: 1 - (held + added) / top, height: added / top }))
  })
  if (card.line) svg.append(shape('line', { class: 'line', x1: 0, x2: count, y1: 1 - card.line / top, y2: 1 - card.line / top }))
  return svg
}
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector('.cards')
  root.setAttribute('aria-label', data.label)
  const held = root.contains(document.activeElement) || root.getRootNode().activeElement?.dataset.name
  root.replaceChildren(...data.cards.map(card => {
    const button = document.createElement('button')
    button.type = 'button'
    button.dataset.name = card.name
    button.setAttribute('role', 'radio')
    button.setAttribute('aria-checked', String(card.name === data.chosen))
    button.tabIndex = card.name === data.chosen ? 0 : -1
    const line = (className, text) => { const span = document.createElement('span'); span.className = className; span.textContent = text; return span }
    button.append(line('title', card.title), picture(card), line('figure', card.figure), ...card.lines.map(text => line('more', text)))
    button.onclick = () => { if (card.name !== data.chosen) setTriggerValue('chosen', card.name) }
    button.onkeydown = event => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
      if (!step) return
      event.preventDefault()
      const names = data.cards.map(card => card.name)
      setTriggerValue('chosen', names[(names.indexOf(card.name) + step + names.length) % names.length])
    }
    return button
  }))
  if (held) root.querySelector('[aria-checked=true]')?.focus()
}
"""

_COMPONENT = st.components.v2.component(
    "burin_strategies", html='<div class="cards" role="radiogroup"></div>\n', css=_CSS, js=_JS
)


def strategies(cards: Sequence[Card], *, chosen: str, label: str, key: str) -> str | None:
    """Draw the cards; the name of the one chosen in this run, else None."""
    data = {"cards": [asdict(card) for card in cards], "chosen": chosen, "label": label}
    return _COMPONENT(data=data, key=key, on_chosen_change=lambda: None).chosen
