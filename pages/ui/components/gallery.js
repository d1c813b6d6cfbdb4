// The moving part of pages/ui/components/gallery.py.
const columns = tiles => {
  const top = tiles[0].getBoundingClientRect().top
  const first = tiles.findIndex(tile => tile.getBoundingClientRect().top > top + 4)
  return first < 0 ? tiles.length : first
}
export default function ({ data, parentElement, setTriggerValue }) {
  const wall = parentElement.querySelector('.wall')
  wall.style.setProperty('--side', data.side)
  if (wall.dataset.version !== data.version) {
    wall.dataset.version = data.version
    wall.replaceChildren(...data.groups.map(group => {
      const section = document.createElement('section'), head = document.createElement('header'), tiles = document.createElement('div')
      const title = document.createElement('h3'), note = document.createElement('span')
      title.textContent = group.title
      note.textContent = group.note
      head.append(title, note)
      head.hidden = !group.title
      tiles.className = 'tiles'
      tiles.append(...group.tiles.map(tile => {
        const button = document.createElement('button'), image = document.createElement('img')
        button.type = 'button'
        button.title = tile.alt
        button.dataset.id = tile.id
        if (tile.src) image.src = tile.src
        image.alt = tile.alt
        image.decoding = 'async'
        image.loading = 'lazy'
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
