// Rows of an original and its draws. A click on a draw opens it below its row, with the values that were drawn:
// everything is here already, so nothing is asked of the server.

const made = (tag, className, text) => {
  const element = document.createElement(tag)
  if (className) element.className = className
  if (text) element.textContent = text
  return element
}

const plate = (src, alt, mark) => {
  const holder = made('span', 'plate'), image = document.createElement('img')
  if (src) image.src = src
  image.alt = alt
  image.draggable = false
  holder.append(image)
  if (mark) holder.append(made('b', '', mark))
  holder.style.display = 'block'
  return holder
}

const opened = (section, tile, words) => {
  const panel = made('div', 'open')
  const pictures = [[section.first?.src, words.original], [tile.src, tile.alt], [tile.seen, words.seen]]
  for (const [src, title] of pictures) {
    if (!src) continue
    const figure = made('figure')
    figure.append(plate(src, title), made('figcaption', '', title))
    panel.append(figure)
  }
  const values = made('div', 'values'), list = made('dl')
  values.append(made('h4', '', tile.steps.length ? words.values : words.nothing))
  for (const step of tile.steps) {
    list.append(made('dt', 'step', step.title))
    for (const [name, value] of step.values) list.append(made('dt', '', name), made('dd', '', value))
  }
  values.append(list)
  if (tile.verdict) values.append(made('p', tile.unsafe ? 'seed unsafe' : 'seed', tile.verdict))
  if (tile.seed) values.append(made('p', 'seed', `${words.seed} ${tile.seed}`))
  panel.append(values)
  return panel
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector('.draws')
  if (root.dataset.version === data.version) return
  root.dataset.version = data.version
  root.className = `draws ${data.layout}`
  root.replaceChildren(...data.sections.map(section => {
    const box = made('section'), tiles = made('div', 'tiles')
    if (section.title) {
      const head = made('header')
      head.append(made('h3', '', section.title))
      if (section.note) head.append(made('span', '', section.note))
      box.append(head)
    }
    if (section.first) {
      const tile = made('div', section.tiles.length > 6 ? 'tile first' : 'tile')
      tile.append(plate(data.seen && section.first.seen || section.first.src, section.first.alt, data.words.original))
      tiles.append(tile)
    }
    let panel = null, owner = null
    const close = () => { panel?.remove(); owner?.setAttribute('aria-expanded', 'false'); panel = owner = null }
    const buttons = section.tiles.map(tile => {
      const button = made(data.fixed ? 'div' : 'button', tile.unsafe ? 'tile unsafe' : 'tile')
      button.append(plate(data.seen && tile.seen || tile.src, tile.alt, ''))
      button.append(made('span', 'caption', tile.caption))
      if (tile.verdict) button.append(made('span', 'verdict', tile.verdict))
      button.title = tile.hint
      if (data.fixed) return button
      button.type = 'button'
      button.setAttribute('aria-expanded', 'false')
      button.onclick = () => {
        const again = owner === button
        close()
        if (again) return
        owner = button
        panel = opened(section, tile, data.words)
        button.setAttribute('aria-expanded', 'true')
        button.after(panel)
      }
      button.onkeydown = event => {
        if (event.key === 'Escape') close()
        const at = buttons.indexOf(button)
        const step = { ArrowRight: 1, ArrowLeft: -1, j: 1, k: -1 }[event.key]
        if (step) { event.preventDefault(); buttons[Math.max(0, Math.min(buttons.length - 1, at + step))].focus() }
      }
      return button
    })
    tiles.append(...buttons)
    box.append(tiles)
    return box
  }))
}
