"""A sheet to draw a mark on, with a finger, a pen or the mouse: black ink on white paper.

A component: it sends the drawing as a PNG after each stroke. The sheet is always white, whatever
the theme, because the picture is read as ink on paper.
"""

from __future__ import annotations

import base64
import binascii

import streamlit as st

LIMIT = 32_000_000  # characters of a data URL taken from a browser

_HTML = """
<div class="pad">
  <div class="tools" role="toolbar">
    <div class="pens" role="group"></div>
    <button type="button" class="undo"></button>
    <button type="button" class="clear"></button>
  </div>
  <div class="sheet"><canvas width="512" height="512" tabindex="0"></canvas><p class="hint"></p></div>
</div>
"""

_CSS = """
.pad { font-family: var(--st-font); color: var(--st-text-color); max-width: 30rem; margin: 0 auto; }
.tools { display: flex; gap: .5rem; align-items: center; margin-bottom: .5rem; flex-wrap: wrap; }
.pens { display: flex; gap: .25rem; margin-right: auto; }
button { font: inherit; font-size: .875rem; min-height: 2.75rem; padding: 0 .9rem; color: inherit; cursor: pointer;
         background: var(--st-background-color); border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius); }
button:hover:not(:disabled) { border-color: var(--st-primary-color); color: var(--st-primary-color); }
button:focus-visible, canvas:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
button:disabled { opacity: .45; cursor: default; }
.pens button { width: 2.75rem; padding: 0; display: grid; place-items: center; }
.pens button[aria-pressed=true] { border-color: var(--st-primary-color); background: var(--st-secondary-background-color); }
.pens i { display: block; border-radius: 50%; background: currentColor; }
.sheet { position: relative; aspect-ratio: 1; border-radius: var(--st-base-radius); overflow: hidden; border: 1px solid var(--st-border-color); background: #fff; }
canvas { width: 100%; height: 100%; display: block; touch-action: none; cursor: crosshair; }
.hint { position: absolute; inset: 0; margin: 0; display: grid; place-items: center; text-align: center; padding: 1rem; pointer-events: none; color: #6b6b6b; font-size: 1rem; }
.inked .hint { display: none; }
"""

_JS = """
const instances = new WeakMap()
const kept = new Map()  // strokes by sheet: the page may take the sheet away and put it back
const PENS = [5, 9, 15]

function paint(pad) {
  const { context, canvas, strokes } = pad
  context.fillStyle = '#fff'
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.lineCap = context.lineJoin = 'round'
  context.strokeStyle = context.fillStyle = '#111'
  for (const { width, points } of strokes) {
    context.lineWidth = width
    context.beginPath()
    if (points.length < 3) {
      context.arc(points[0][0], points[0][1], width / 2, 0, 7)
      context.fill()
      context.beginPath()
    }
    context.moveTo(...points[0])
    for (let i = 1; i < points.length - 1; i++) {
      const [x, y] = points[i], [u, v] = points[i + 1]
      context.quadraticCurveTo(x, y, (x + u) / 2, (y + v) / 2)
    }
    context.lineTo(...points[points.length - 1])
    context.stroke()
  }
  const inked = strokes.length > 0
  pad.root.classList.toggle('inked', inked)
  pad.undo.disabled = pad.clear.disabled = !inked
}

function send(pad, delay) {
  kept.set(pad.name, pad.strokes)
  clearTimeout(pad.timer)
  pad.timer = setTimeout(() => {
    pad.set('drawing', pad.strokes.length ? pad.canvas.toDataURL('image/png') : '')
  }, delay)
}

function build(parentElement, name) {
  const root = parentElement.querySelector('.pad'), canvas = root.querySelector('canvas')
  const pad = { name, root, canvas, context: canvas.getContext('2d'), strokes: kept.get(name) || [], pen: 1, timer: 0,
                undo: root.querySelector('.undo'), clear: root.querySelector('.clear') }
  const at = event => {
    const box = canvas.getBoundingClientRect()
    return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height]
  }
  let stroke = null
  canvas.onpointerdown = event => {
    if (event.button > 0 || stroke) return
    canvas.setPointerCapture(event.pointerId)
    clearTimeout(pad.timer)
    stroke = { id: event.pointerId, width: PENS[pad.pen], points: [at(event)] }
    pad.strokes.push(stroke)
    paint(pad)
  }
  canvas.onpointermove = event => {
    if (!stroke || event.pointerId !== stroke.id) return
    const moves = event.getCoalescedEvents ? event.getCoalescedEvents() : []
    stroke.points.push(...(moves.length ? moves : [event]).map(at))
    paint(pad)
  }
  canvas.onpointerup = canvas.onpointercancel = event => {
    if (!stroke || event.pointerId !== stroke.id) return
    stroke = null
    send(pad, 350)
  }
  pad.undo.onclick = () => { pad.strokes.pop(); paint(pad); send(pad, 150) }
  pad.clear.onclick = () => { pad.strokes = []; paint(pad); send(pad, 0) }
  canvas.onkeydown = event => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z') { event.preventDefault(); pad.undo.onclick() }
  }
  const pens = root.querySelector('.pens')
  pens.replaceChildren(...PENS.map((width, index) => {
    const button = document.createElement('button'), dot = document.createElement('i')
    button.type = 'button'
    dot.style.width = dot.style.height = (width * .9) + 'px'
    button.append(dot)
    button.onclick = () => { pad.pen = index; mark(pad) }
    return button
  }))
  return pad
}

function mark(pad) {
  pad.root.querySelectorAll('.pens button').forEach((button, index) => {
    button.setAttribute('aria-pressed', String(index === pad.pen))
    button.setAttribute('aria-label', pad.words.pens[index])
    button.title = pad.words.pens[index]
  })
}

export default function ({ data, parentElement, setStateValue }) {
  let pad = instances.get(parentElement)
  if (!pad) {
    pad = build(parentElement, data.name)
    instances.set(parentElement, pad)
    if (pad.strokes.length) send(pad, 0)
  }
  pad.set = setStateValue
  pad.words = data.words
  pad.undo.textContent = data.words.undo
  pad.clear.textContent = data.words.clear
  pad.root.querySelector('.hint').textContent = data.words.hint
  pad.canvas.setAttribute('aria-label', data.words.hint)
  mark(pad)
  paint(pad)
  return () => clearTimeout(pad.timer)
}
"""

_COMPONENT = st.components.v2.component("burin_sketch", html=_HTML, css=_CSS, js=_JS)


def sketch(*, words: dict[str, object], key: str) -> bytes | None:
    """The sheet; returns the drawing as PNG bytes, or None while it is blank.

    ``words``: the texts "hint", "undo", "clear" and "pens" (three: fine, medium, broad).
    """
    result = _COMPONENT(data={"words": words, "name": key}, key=key, default={"drawing": ""}, on_drawing_change=lambda: None)
    return picture_of(result.drawing)


def picture_of(url: object) -> bytes | None:
    """The bytes of an image's ``data:`` URL; None for anything else, which only a tampered client sends."""
    if not isinstance(url, str) or not url.startswith("data:image/") or ";base64," not in url[:64] or len(url) > LIMIT:
        return None
    try:
        return base64.b64decode(url.split(",", 1)[1], validate=True) or None
    except binascii.Error:
        return None
