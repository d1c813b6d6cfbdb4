"""Paste a picture from the clipboard, anywhere on the page (Ctrl+V) or by a button.

A component that sends the picture once, as an event; the page keeps it. Pasting into a text
field is left alone.
"""

from __future__ import annotations

import streamlit as st

from pages.ui.sketch import picture_of

_CSS = """
button { font-family: var(--st-font); font-size: .875rem; min-height: 2.5rem; width: 100%; padding: 0 .9rem; color: var(--st-text-color); cursor: pointer;
         background: var(--st-background-color); border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius); }
button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
p { margin: .35rem 0 0; font-family: var(--st-font); font-size: .8125rem; color: var(--st-orange-text-color); }
p:empty { display: none; }
"""

_JS = """
const listeners = new WeakMap()
export default function ({ data, parentElement, setTriggerValue }) {
  const button = parentElement.querySelector('button'), problem = parentElement.querySelector('p')
  button.textContent = data.words.paste
  button.hidden = !data.button
  const send = file => {
    problem.textContent = ''
    if (file.size > data.limit) { problem.textContent = data.words.large; return }
    const reader = new FileReader()
    reader.onload = () => setTriggerValue('pasted', reader.result)
    reader.readAsDataURL(file)
  }
  button.onclick = async () => {
    try {
      for (const entry of await navigator.clipboard.read()) {
        const type = entry.types.find(type => type.startsWith('image/'))
        if (type) return send(await entry.getType(type))
      }
      problem.textContent = data.words.none
    } catch { problem.textContent = data.words.refused }
  }
  const state = listeners.get(parentElement) || {}
  state.send = send
  if (!state.listener) {
    state.listener = event => {
      const target = event.composedPath()[0]
      const typing = /^(INPUT|TEXTAREA)$/.test(target.tagName || '') && target.type !== 'file' || target.isContentEditable
      const taken = event.composedPath().some(node => node.dataset?.testid === 'stFileUploader')  // it reads the paste itself
      if (event.defaultPrevented || typing || taken) return
      const file = [...(event.clipboardData?.files || [])].find(file => file.type.startsWith('image/'))
      if (file) { event.preventDefault(); state.send(file) }
    }
    document.addEventListener('paste', state.listener)
    listeners.set(parentElement, state)
  }
  return () => { document.removeEventListener('paste', state.listener); listeners.delete(parentElement) }
}
"""

_COMPONENT = st.components.v2.component("burin_clipboard", html='<button type="button"></button>\n<p role="status"></p>', css=_CSS, js=_JS)
_LIMIT = 25_000_000


def clipboard(*, words: dict[str, str], key: str, button: bool = True) -> bytes | None:
    """Listen; returns the bytes of a picture in the one run that follows its pasting, else None.

    Without its ``button``, Ctrl+V still works.

    ``words``: the texts "paste", "none" (no picture there), "refused" (the browser said no) and "large".
    """
    result = _COMPONENT(data={"words": words, "limit": _LIMIT, "button": button}, key=key, on_pasted_change=lambda: None)
    return picture_of(result.pasted)
