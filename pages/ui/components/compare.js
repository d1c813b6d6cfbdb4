// A query beside the nearest references of two classes, and laid over one of them: query in one ink, reference in
// the other, where both agree in black. Everything is here already: nothing is asked of the server.

const own = new WeakMap()
const make = (tag, name, text) => {
  const element = document.createElement(tag)
  if (name) element.className = name
  if (text) element.textContent = text
  return element
}
const SIDE = 256

const loaded = src => new Promise(done => {
  const image = new Image()
  image.onload = () => done(image)
  image.onerror = () => done(null)
  image.src = src
})

const darkness = image => {
  const canvas = make('canvas')
  canvas.width = canvas.height = SIDE
  const pen = canvas.getContext('2d', { willReadFrequently: true })
  pen.fillStyle = '#fff'
  pen.fillRect(0, 0, SIDE, SIDE)
  const scale = Math.min(SIDE / image.naturalWidth, SIDE / image.naturalHeight), width = image.naturalWidth * scale, height = image.naturalHeight * scale
  pen.drawImage(image, (SIDE - width) / 2, (SIDE - height) / 2, width, height)
  const { data } = pen.getImageData(0, 0, SIDE, SIDE), found = new Float32Array(SIDE * SIDE)
  for (let at = 0; at < found.length; at++) found[at] = 1 - (data[4 * at] * .299 + data[4 * at + 1] * .587 + data[4 * at + 2] * .114) / 255
  return found
}

const INKS = [[152, 72, 28], [32, 104, 150]]  // taken away from white paper: copper for the query, blue for the reference

const blend = async (view, data) => {
  const key = view.seen ? 'seen' : 'src', reference = data.references[view.with] ?? data.references[0]
  if (!reference) return
  const stamp = view.stamp = {}
  const images = await Promise.all([loaded(data.query[key] || data.query.src), loaded(reference[key] || reference.src)])
  if (view.stamp !== stamp || images.includes(null)) return
  const [query, other] = images.map(darkness), pen = view.canvas.getContext('2d'), picture = pen.createImageData(SIDE, SIDE)
  const strength = [Math.min(1, 2 * view.mix), Math.min(1, 2 * (1 - view.mix))]
  for (let at = 0; at < query.length; at++) {
    for (let part = 0; part < 3; part++) {
      const a = 1 - strength[0] * query[at] * (1 - INKS[0][part] / 255), b = 1 - strength[1] * other[at] * (1 - INKS[1][part] / 255)
      picture.data[4 * at + part] = 255 * a * b
    }
    picture.data[4 * at + 3] = 255
  }
  pen.putImageData(picture, 0, 0)
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
  data.references.forEach((one, at) => row.append(figure(one, one.title, one.note, view.seen, at === view.with ? 'over' : '')))
  const over = make('figure', 'overlay'), plate = make('span', 'plate'), caption = make('figcaption'), slider = make('input')
  view.canvas = make('canvas')
  view.canvas.width = view.canvas.height = SIDE
  plate.append(view.canvas)
  slider.type = 'range'
  slider.min = 0
  slider.max = 100
  slider.value = 100 * view.mix
  slider.setAttribute('aria-label', words.slider)
  slider.oninput = () => { view.mix = slider.value / 100; blend(view, data) }
  const ends = make('span', 'ends')
  ends.append(make('i', 'reference', words.reference), make('i', 'asked', words.query))
  caption.append(make('b', '', words.overlay), slider, ends)
  over.append(plate, caption)
  if (data.references.length) row.append(over)
  const bar = make('div', 'bar')
  bar.append(choice(words.show, [words.image, words.seen], view.seen ? 1 : 0, at => { view.seen = at === 1; draw(root, view, data) }))
  if (data.references.length > 1) bar.append(choice(words.over, data.references.map(one => one.short), view.with, at => { view.with = at; draw(root, view, data) }))
  root.replaceChildren(row, bar)
  blend(view, data)
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector('.compare')
  let view = own.get(root)
  if (!view) own.set(root, view = { seen: false, with: data.references.length - 1, mix: .5 })
  if (view.version === data.version) return
  view.version = data.version
  draw(root, view, data)
}
