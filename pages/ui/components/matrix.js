// A confusion matrix on a canvas, readable from 3 to 300 classes: only cells that hold something are drawn, labels
// come with the room for them, wheel (with Ctrl), buttons and keys zoom, a click opens. Names are drawn as text.

const grids = new WeakMap()
const make = (tag, name, ...children) => {
  const element = document.createElement(tag)
  if (name) element.className = name
  element.append(...children)
  return element
}
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole)

class Matrix {
  constructor(root) {
    this.root = root
    this.view = { zoom: 1, x: 0, y: 0 }
    this.over = null
    const button = (sign, act) => {
      const element = make('button', '', sign)
      element.type = 'button'
      element.onclick = act
      return element
    }
    this.tools = { nearer: button('+', () => this.zoom(1.6)), farther: button('−', () => this.zoom(1 / 1.6)), fit: button('', () => this.fit()) }
    this.said = make('p', 'said')
    this.said.setAttribute('role', 'status')
    this.canvas = make('canvas')
    this.canvas.tabIndex = 0
    this.plane = make('div', 'plane', this.canvas)
    root.replaceChildren(make('div', 'bar', make('span', 'group', ...Object.values(this.tools)), this.said), this.plane)
    const pen = this.canvas
    pen.onpointerdown = event => {
      if (event.button) return
      pen.setPointerCapture(event.pointerId)
      this.drag = { from: this.point(event), view: { ...this.view } }
    }
    pen.onpointermove = event => this.move(event)
    pen.onpointerup = event => this.up(event)
    pen.onpointercancel = () => { this.drag = null }
    pen.onpointerleave = () => { this.look(null) }
    pen.onkeydown = event => this.key(event)
    pen.addEventListener('wheel', event => {
      if (!event.ctrlKey && !event.metaKey && pen.getRootNode().activeElement !== pen) return
      event.preventDefault()
      this.zoom(Math.exp(-event.deltaY / 400), this.point(event))
    }, { passive: false })
    this.watch = new ResizeObserver(() => this.resize())
    this.watch.observe(this.plane)
  }

  set(data, open) {
    this.open = open
    if (this.data?.version !== data.version) {
      const other = this.data?.place !== data.place
      this.data = data
      this.cells = new Map(data.cells.map(([row, column, count]) => [row * data.names.length + column, count]))
      this.over = null
      if (other) this.view = { zoom: 1, x: 0, y: 0 }
    }
    this.data = data
    for (const [name, tool] of Object.entries(this.tools)) {
      tool.title = data.words[name]
      tool.setAttribute('aria-label', data.words[name])
    }
    this.tools.fit.textContent = data.words.fit
    this.canvas.setAttribute('aria-label', data.words.matrix)
    this.look(this.over)
    this.resize()
  }

  resize() {
    const width = this.plane.clientWidth
    if (!width || !this.data) return
    const n = this.data.names.length, longest = Math.max(...this.data.names.map(name => name.length))
    const gutter = Math.min(width < 480 ? 64 : 92, 26 + 6 * Math.min(18, longest))
    const side = Math.min(width - gutter - 8, 56 * n, width < 480 ? 320 : 660)
    this.size = { width, height: side + gutter + 8, gutter, side, ratio: window.devicePixelRatio || 1 }
    this.plane.style.height = `${this.size.height}px`
    this.canvas.width = Math.round(width * this.size.ratio)
    this.canvas.height = Math.round(this.size.height * this.size.ratio)
    this.draw()
  }

  cell() { return this.size.side * this.view.zoom / this.data.names.length }

  fit() { this.view = { zoom: 1, x: 0, y: 0 }; this.draw() }

  zoom(factor, at) {
    const { gutter, side } = this.size, [px, py] = at ?? [gutter + side / 2, gutter + side / 2]
    const most = Math.max(1, 44 * this.data.names.length / side), zoom = Math.max(1, Math.min(most, this.view.zoom * factor)), by = zoom / this.view.zoom
    const x = (px - gutter + this.view.x) * by - (px - gutter), y = (py - gutter + this.view.y) * by - (py - gutter)
    this.view = { zoom, x, y }
    this.hold()
    this.draw()
  }

  hold() {
    const most = this.size.side * (this.view.zoom - 1)
    this.view.x = Math.max(0, Math.min(most, this.view.x))
    this.view.y = Math.max(0, Math.min(most, this.view.y))
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect()
    return [event.clientX - box.left, event.clientY - box.top]
  }

  find([x, y]) {
    const { gutter, side } = this.size, n = this.data.names.length, cell = this.cell()
    if (x < gutter - 2 || y < gutter - 2 || x > gutter + side + 2 || y > gutter + side + 2) return null
    const column = Math.floor((x - gutter + this.view.x) / cell), row = Math.floor((y - gutter + this.view.y) / cell)
    const reach = Math.ceil(5 / cell)
    let best = null, near = Infinity
    if (cell < 9) {
      for (let r = row - reach; r <= row + reach; r++) for (let c = column - reach; c <= column + reach; c++) {
        const far = Math.hypot(r - row, c - column)
        if (r >= 0 && c >= 0 && r < n && c < n && this.shown(r, c) && far < near) { near = far; best = [r, c] }
      }
    }
    return best ?? (row >= 0 && column >= 0 && row < n && column < n ? [row, column] : null)
  }

  shown(row, column) {
    return this.cells.has(row * this.data.names.length + column) && !(row === column && !this.data.diagonal)
  }

  look(cell) {
    this.over = cell
    const { words, names, totals } = this.data
    if (cell) {
      const count = this.cells.get(cell[0] * names.length + cell[1]) ?? 0
      this.said.textContent = fill(words.cell, { own: names[cell[0]], other: names[cell[1]], n: count, total: totals[cell[0]] })
    } else this.said.textContent = words.hint
    if (this.size) this.draw()
  }

  move(event) {
    const at = this.point(event)
    if (this.drag) {
      const dx = at[0] - this.drag.from[0], dy = at[1] - this.drag.from[1]
      this.drag.moved ||= Math.hypot(dx, dy) > 4
      if (this.drag.moved && this.view.zoom > 1) { this.view = { ...this.view, x: this.drag.view.x - dx, y: this.drag.view.y - dy }; this.hold(); this.draw() }
      return
    }
    const cell = this.find(at)
    this.canvas.style.cursor = cell && this.shown(...cell) ? 'pointer' : this.view.zoom > 1 ? 'grab' : 'default'
    if (String(cell) !== String(this.over)) this.look(cell)
  }

  up(event) {
    const drag = this.drag
    this.drag = null
    if (!drag || drag.moved) return
    const cell = this.find(this.point(event))
    if (cell && this.shown(...cell)) { this.look(cell); this.open(cell) }
  }

  key(event) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key], n = this.data.names.length
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (step) {
      const from = this.over ?? [0, 0]
      this.look([Math.max(0, Math.min(n - 1, from[0] + step[0])), Math.max(0, Math.min(n - 1, from[1] + step[1]))])
    } else if (event.key === 'Enter' && this.over && this.shown(...this.over)) this.open(this.over)
    else if (event.key === '+' || event.key === '=') this.zoom(1.6)
    else if (event.key === '-') this.zoom(1 / 1.6)
    else if (event.key === '0') this.fit()
    else return
    event.preventDefault()
  }

  draw() {
    const { data, size, view } = this
    if (!size || !this.root.isConnected) return
    const style = getComputedStyle(this.root), read = name => style.getPropertyValue(name)
    const ramp = read('--st-chart-sequential-colors').split(/,(?![^(]*\))/).map(one => one.trim()).filter(Boolean)
    const ink = { text: read('--st-text-color'), line: read('--st-border-color'), own: read('--st-blue-color'), accent: read('--st-primary-color') }
    const n = data.names.length, cell = this.cell(), { gutter, side, ratio } = size
    const pen = this.canvas.getContext('2d')
    pen.setTransform(ratio, 0, 0, ratio, 0, 0)
    pen.clearRect(0, 0, size.width, size.height)
    const x = column => gutter - view.x + column * cell, y = row => gutter - view.y + row * cell
    pen.save()
    pen.beginPath()
    pen.rect(gutter, gutter, side, side)
    pen.clip()
    if (cell > 9) {
      pen.strokeStyle = ink.line
      pen.globalAlpha = .5
      pen.lineWidth = 1
      pen.beginPath()
      for (let at = 0; at <= n; at++) { pen.moveTo(x(at), gutter); pen.lineTo(x(at), gutter + side); pen.moveTo(gutter, y(at)); pen.lineTo(gutter + side, y(at)) }
      pen.stroke()
      pen.globalAlpha = 1
    }
    let most = 0
    for (const [at, count] of this.cells) {
      const row = Math.floor(at / n), column = at % n
      if (row !== column || data.diagonal) most = Math.max(most, this.value(row, count))
    }
    const width = Math.max(cell - (cell > 9 ? 1.5 : 0), 3.5)
    for (const [at, count] of this.cells) {
      const row = Math.floor(at / n), column = at % n
      if (row === column && !data.diagonal) continue
      const value = this.value(row, count), share = most ? (data.log ? Math.log1p(value * (data.normalised ? 100 : 1)) / Math.log1p(most * (data.normalised ? 100 : 1)) : value / most) : 0
      const left = x(column) + (cell - width) / 2, top = y(row) + (cell - width) / 2
      if (row === column) { pen.globalAlpha = .18 + .6 * share; pen.fillStyle = ink.own }
      else { pen.globalAlpha = 1; pen.fillStyle = ramp[Math.min(ramp.length - 1, 2 + Math.round((ramp.length - 3) * share))] }
      pen.fillRect(left, top, width, width)
      pen.globalAlpha = 1
      if (cell > 19) {
        const text = data.normalised ? `${Math.round(100 * value)}` : String(count)
        pen.font = `${cell > 28 ? 12 : 10}px ${style.fontFamily}`
        pen.textAlign = 'center'
        pen.textBaseline = 'middle'
        pen.fillStyle = row !== column && share > .45 && !data.dark || row !== column && share < .45 && data.dark ? '#fff' : row === column ? ink.text : data.dark ? '#161310' : ink.text
        pen.fillText(text, x(column) + cell / 2, y(row) + cell / 2 + 1)
      }
    }
    for (const at of [this.over, data.current]) {
      if (!at) continue
      pen.strokeStyle = at === this.over ? ink.text : ink.accent
      pen.lineWidth = at === this.over ? 1.2 : 2.5
      pen.strokeRect(x(at[1]) + (cell - width) / 2 - 1, y(at[0]) + (cell - width) / 2 - 1, width + 2, width + 2)
    }
    if (this.over) {
      pen.globalAlpha = .22
      pen.fillStyle = ink.accent
      pen.fillRect(gutter, y(this.over[0]), side, cell)
      pen.fillRect(x(this.over[1]), gutter, cell, side)
      pen.globalAlpha = 1
    }
    pen.restore()
    pen.strokeStyle = ink.line
    pen.lineWidth = 1
    pen.strokeRect(gutter - .5, gutter - .5, side + 1, side + 1)
    this.labels(pen, x, y, cell, ink, style)
    this.root.dataset.drawn = data.version
  }

  value(row, count) { return this.data.normalised ? count / (this.data.totals[row] || 1) : count }

  labels(pen, x, y, cell, ink, style) {
    const { gutter, side } = this.size, names = this.data.names, font = Math.max(8.5, Math.min(13, cell)), room = Math.floor((gutter - 12) / (font * .56))
    const every = cell >= 7.6
    const cut = name => name.length > room ? `${name.slice(0, Math.max(1, room - 1))}…` : name
    const write = (at, along, strong) => {
      const middle = (along ? x(at) : y(at)) + cell / 2
      if (middle < gutter + 1 || middle > gutter + side - 1) return
      pen.save()
      pen.font = `${strong ? 600 : 400} ${strong ? Math.max(11, font) : font}px ${style.fontFamily}`
      pen.fillStyle = strong ? ink.accent : ink.text
      pen.textBaseline = 'middle'
      if (along) { pen.translate(middle, gutter - 6); pen.rotate(-Math.PI / 2); pen.textAlign = 'left' } else { pen.translate(gutter - 6, middle); pen.textAlign = 'right' }
      pen.fillText(cut(names[at]), 0, 1)
      pen.restore()
    }
    const free = (at, own) => own === undefined || own === null || Math.abs(at - own) * cell >= 12
    for (let at = 0; every && at < names.length; at++) {
      if (free(at, this.over?.[0]) && free(at, this.data.current?.[0]) || at === this.over?.[0]) write(at, false, at === this.over?.[0])
      if (free(at, this.over?.[1]) && free(at, this.data.current?.[1]) || at === this.over?.[1]) write(at, true, at === this.over?.[1])
    }
    for (const at of [this.over, this.over ? null : this.data.current]) if (at) { write(at[0], false, true); write(at[1], true, true) }
    if (!every && !this.over) {
      pen.save()
      pen.font = `12px ${style.fontFamily}`
      pen.fillStyle = ink.text
      pen.globalAlpha = .7
      pen.textAlign = 'center'
      pen.fillText(this.data.words.said, gutter + side / 2, gutter - 12)
      pen.translate(gutter - 12, gutter + side / 2)
      pen.rotate(-Math.PI / 2)
      pen.fillText(this.data.words.truth, 0, 0)
      pen.restore()
    }
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector('.matrix')
  let matrix = grids.get(root)
  if (!matrix) grids.set(root, matrix = new Matrix(root))
  matrix.set(data, cell => setTriggerValue('opened', cell))
  return () => { matrix.watch.disconnect(); grids.delete(root) }
}
