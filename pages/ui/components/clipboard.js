// The moving part of pages/ui/components/clipboard.py.
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
