// The grid of selectable images: click toggles, Shift makes a range, arrows move, Space toggles, Esc clears,
// Enter or a double click opens. The page's selection is sent as a whole, so that nothing gets out of step.

const grids = new WeakMap()

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const grid = parentElement.querySelector('.grid')
  const own = grids.get(parentElement) ?? { selected: new Set(), anchor: 0, at: 0 }
  grids.set(parentElement, own)
  grid.setAttribute('aria-label', data.words.grid)
  grid.style.setProperty('--side', data.side ?? '6.5rem')
  const here = data.tiles.map(tile => tile.id)
  if (own.version !== data.version) {
    own.version = data.version
    own.at = Math.min(own.at, Math.max(0, here.length - 1))
    own.anchor = own.at
    grid.replaceChildren(...data.tiles.map(tile => {
      const button = document.createElement('button'), image = document.createElement('img'), name = document.createElement('span')
      button.type = 'button'
      button.setAttribute('role', 'option')
      button.title = tile.alt
      if (tile.src) image.src = tile.src
      image.alt = tile.alt
      image.decoding = 'async'
      image.loading = 'lazy'
      image.draggable = false
      name.textContent = tile.name
      name.className = tile.bare ? 'bare' : ''
      button.append(image, name)
      if (tile.said) {
        const said = document.createElement('span')
        said.className = 'said'
        said.textContent = `→ ${tile.said}`
        said.title = `${data.words.said} ${tile.said}`
        button.append(said)
      }
      if (tile.note) {
        const note = document.createElement('span')
        note.className = 'note'
        note.textContent = tile.note
        button.append(note)
      }
      return button
    }))
  }
  if (!own.timer) own.selected = new Set(data.selected)
  const buttons = [...grid.children]
  const mark = () => buttons.forEach((button, at) => {
    button.setAttribute('aria-selected', String(own.selected.has(here[at])))
    button.tabIndex = at === own.at ? 0 : -1
  })
  const tell = () => {
    mark()
    clearTimeout(own.timer)
    own.timer = setTimeout(() => {
      own.timer = 0
      setStateValue('selected', { here, ids: here.filter(id => own.selected.has(id)) })
    }, 120)
  }
  const range = to => {
    const [from, until] = [Math.min(own.anchor, to), Math.max(own.anchor, to)]
    here.slice(from, until + 1).forEach(id => own.selected.add(id))
  }
  const choose = (at, event) => {
    own.at = at
    if (event.shiftKey) range(at)
    else {
      own.selected.has(here[at]) ? own.selected.delete(here[at]) : own.selected.add(here[at])
      own.anchor = at
    }
    tell()
  }
  const columns = () => {
    const top = buttons[0]?.getBoundingClientRect().top
    const first = buttons.findIndex(button => button.getBoundingClientRect().top > top + 4)
    return first < 0 ? buttons.length : first
  }
  buttons.forEach((button, at) => {
    button.onclick = event => { choose(at, event); button.focus() }
    button.ondblclick = () => setTriggerValue('opened', here[at])
  })
  grid.onkeydown = event => {
    const control = event.ctrlKey || event.metaKey, row = columns()
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row, j: 1, k: -1 }[event.key]
    if (control && event.key.toLowerCase() === 'a') here.forEach(id => own.selected.add(id))
    else if (control || event.altKey) return
    else if (event.key === ' ') return event.preventDefault(), choose(own.at, event)
    else if (event.key === 'Enter') return event.preventDefault(), setTriggerValue('opened', here[own.at])
    else if (step) {
      own.at = Math.max(0, Math.min(buttons.length - 1, own.at + step))
      if (event.shiftKey) range(own.at)
      else own.anchor = own.at
      buttons[own.at].focus()
      if (!event.shiftKey) { event.preventDefault(); return mark() }
    } else return
    event.preventDefault()
    tell()
  }
  own.key = event => {
    const target = event.composedPath()[0]
    if (event.defaultPrevented || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName || '') || target.isContentEditable) return
    if (document.querySelector('[role=dialog]')) return
    if (event.key === 'Escape' && own.selected.size) {
      own.selected.clear()
      mark()
      clearTimeout(own.timer)
      own.timer = 0
      setTriggerValue('cleared', true)
    } else if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === 'z') {
      event.preventDefault()
      setTriggerValue('undo', true)
    }
  }
  if (!own.listener) document.addEventListener('keydown', own.listener = event => own.key(event))
  mark()
  return () => { document.removeEventListener('keydown', own.listener); clearTimeout(own.timer); grids.delete(parentElement) }
}
