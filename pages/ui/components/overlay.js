// A mark over a reference: broad strokes are the reference's, thin ones the mark's. A slider carries the mark's points from
// where they were drawn to where they were laid. Names are set as text; nothing is asked of the server.

const own = new WeakMap()
const PIXELS = 480, UNITS = 1000
const MATCH = ['#9dc9e8', '#0072b2'], LEFT = ['#f5b48c', '#d55e00']  // broad and thin; told apart without red and green too

const make = (tag, name, text) => {
  const element = document.createElement(tag)
  if (name) element.className = name
  if (text) element.textContent = text
  return element
}

// Pixels that touch are joined: the strokes stay whole when their points move.
const joined = (points, step) => {
  const at = new Map(), out = []
  points.forEach(([x, y], i) => at.set(`${Math.round(x / step)},${Math.round(y / step)}`, i))
  points.forEach(([x, y], i) => {
    const column = Math.round(x / step), row = Math.round(y / step)
    for (const [dx, dy] of [[1, 0], [0, 1], [1, 1], [-1, 1]]) {
      const other = at.get(`${column + dx},${row + dy}`)
      if (other !== undefined) out.push([i, other])
    }
  })
  return out
}

const stroke = (pen, points, links, left, colours, width) => {
  pen.lineCap = 'round'
  for (const part of [0, 1]) {
    pen.strokeStyle = pen.fillStyle = colours[part]
    pen.lineWidth = width
    pen.beginPath()
    for (const [a, b] of links) {
      if ((left[a] || left[b] ? 1 : 0) !== part) continue
      pen.moveTo(points[a][0], points[a][1])
      pen.lineTo(points[b][0], points[b][1])
    }
    pen.stroke()
    points.forEach(([x, y], i) => {
      if (left[i] !== part) return
      pen.beginPath()
      pen.arc(x, y, width / 2, 0, 7)
      pen.fill()
    })
  }
}

const paint = view => {
  const { one, canvas, mix } = view, pen = canvas.getContext('2d'), scale = PIXELS / UNITS
  pen.setTransform(1, 0, 0, 1, 0, 0)
  pen.fillStyle = '#fff'
  pen.fillRect(0, 0, PIXELS, PIXELS)
  pen.setTransform(scale, 0, 0, scale, 0, 0)
  stroke(pen, one.reference, view.under, one.referenceLeft, [MATCH[0], LEFT[0]], 34)
  const moved = one.query.map(([x, y], i) => [x + mix * (one.laid[i][0] - x), y + mix * (one.laid[i][1] - y)])
  stroke(pen, moved, view.upper, one.queryLeft, [MATCH[1], LEFT[1]], 13)
}

const draw = (root, view, data) => {
  const { words } = data, one = view.one = data.over[view.with]
  view.under = joined(one.reference, one.step)
  view.upper = joined(one.query, one.step)
  const plate = make('span', 'plate'), slider = make('input'), ends = make('span', 'ends'), legend = make('span', 'legend')
  view.canvas = make('canvas')
  view.canvas.width = view.canvas.height = PIXELS
  view.canvas.setAttribute('role', 'img')
  view.canvas.setAttribute('aria-label', one.said)
  plate.append(view.canvas)
  slider.type = 'range'
  slider.min = 0
  slider.max = 100
  slider.value = 100 * view.mix
  slider.setAttribute('aria-label', words.slider)
  slider.oninput = () => { view.mix = slider.value / 100; paint(view) }
  ends.append(make('span', '', words.drawn), make('span', '', words.laid))
  for (const kind of ['match', 'left']) {
    const entry = make('span')
    entry.append(make('i', kind), make('span', '', words[kind]))
    legend.append(entry)
  }
  legend.append(make('small', '', words.thin))
  root.replaceChildren(plate, slider, ends, legend, make('p', '', one.said))
  if (data.over.length > 1) {
    const group = make('span', 'choice')
    group.setAttribute('role', 'group')
    group.setAttribute('aria-label', words.show)
    data.over.forEach((other, at) => {
      const button = make('button', '', other.name)
      button.type = 'button'
      button.setAttribute('aria-pressed', String(at === view.with))
      button.onclick = () => { view.with = at; draw(root, view, data) }
      group.append(button)
    })
    root.prepend(group)
  }
  paint(view)
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector('.overlay')
  let view = own.get(root)
  if (!view) own.set(root, view = { with: 0, mix: 1 })
  if (view.version === data.version) return
  view.version = data.version
  view.with = 0
  draw(root, view, data)
}
