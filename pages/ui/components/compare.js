// A query beside the nearest references of two classes, as images or as the model sees them. Everything is here
// already: nothing is asked of the server.

const own = new WeakMap()
const make = (tag, name, text) => {
  const element = document.createElement(tag)
  if (name) element.className = name
  if (text) element.textContent = text
  return element
}
const choice = (label, options, chosen, act) => {
  const group = make('span', 'choice')
  group.setAttribute('role', 'group')
  group.setAttribute('aria-label', label)
  options.forEach((text, at) => {
    const button = make('button', '', text)
    button.type = 'button'
    button.setAttribute('aria-pressed', String(at === chosen))
    button.onclick = () => act(at)
    group.append(button)
  })
  return group
}

const figure = (picture, title, note, seen, kind) => {
  const box = make('figure', kind), plate = make('span', 'plate'), image = make('img'), caption = make('figcaption')
  const src = seen && picture.seen || picture.src
  if (src) image.src = src
  image.alt = `${title} · ${note}`
  plate.append(image)
  caption.append(make('b', '', title), make('span', '', note))
  box.append(plate, caption)
  return box
}

const draw = (root, view, data) => {
  const { words } = data, row = make('div', 'row')
  row.append(figure(data.query, data.query.title, data.query.note, view.seen, 'query'))
  data.references.forEach(one => row.append(figure(one, one.title, one.note, view.seen)))
  const bar = make('div', 'bar')
  bar.append(choice(words.show, [words.image, words.seen], view.seen ? 1 : 0, at => { view.seen = at === 1; draw(root, view, data) }))
  root.replaceChildren(row, bar)
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector('.compare')
  let view = own.get(root)
  if (!view) own.set(root, view = { seen: false })
  if (view.version === data.version) return
  view.version = data.version
  draw(root, view, data)
}
