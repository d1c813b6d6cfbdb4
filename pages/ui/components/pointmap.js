// A map of points that stays fluid at 50,000: a plain canvas, the points sent once as packed arrays.
// Three instances share one map: "points" draws it, "state" colours it and tells what was selected, and
// "thumbs" brings the thumbnails of what the pointer is over. Names are drawn and set as text, never as markup.

const maps = globalThis.burinMaps ??= new Map()
const make = (tag, name, ...children) => {
  const element = document.createElement(tag)
  if (name) element.className = name
  element.append(...children)
  return element
}
const unpack = (text, Kind) => {
  const binary = atob(text), bytes = new Uint8Array(binary.length)
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at)
  return new Kind(bytes.buffer)
}
const median = values => values.sort((a, b) => a - b)[values.length >> 1]
const REACH = 12
const MANY = 5000  // points above which a move shows the layer as it is, and paints when it rests

class PointMap {
  constructor(key) {
    this.key = key
    this.mode = 'lasso'
    this.seq = -1
    this.stamp = 0
    this.thumbs = new Map()
    this.asked = new Set()
    this.queries = []
    this.words = {}
    this.view = { scale: 1, x: 0, y: 0 }
    this.hidden = new Set()
    this.build()
  }

  build() {
    const button = (name, sign, act) => {
      const element = make('button', name, sign)
      element.type = 'button'
      element.onclick = act
      return element
    }
    this.canvas = make('canvas')
    this.canvas.tabIndex = 0
    this.tools = {
      lasso: button('mode', '', () => this.setMode('lasso')),
      box: button('mode', '', () => this.setMode('box')),
      pan: button('mode', '', () => this.setMode('pan')),
      nearer: button('sign', '+', () => this.zoom(1.5)),
      farther: button('sign', '−', () => this.zoom(1 / 1.5)),
      fit: button('', '', () => this.fit()),
    }
    this.count = make('span', 'count')
    this.count.setAttribute('role', 'status')
    this.card = make('div', 'card', make('img'), make('b'), make('span'))
    this.card.hidden = true
    this.list = make('div', 'list')
    this.heading = make('p', 'heading')
    this.all = button('all', '', () => this.isolate(null))
    this.plane = make('div', 'plane', this.canvas, this.card)
    const bar = make('div', 'bar', make('span', 'group', this.tools.lasso, this.tools.box, this.tools.pan),
      make('span', 'group', this.tools.nearer, this.tools.farther, this.tools.fit), this.count)
    this.root = make('div', 'atlas', bar, make('div', 'body', this.plane, make('aside', '', make('header', '', this.heading, this.all), this.list)))
    const pen = this.canvas
    pen.onpointerdown = event => this.down(event)
    pen.onpointermove = event => this.move(event)
    pen.onpointerup = event => this.up(event)
    pen.onpointercancel = () => { this.drag = null; this.ask() }
    pen.onpointerleave = () => this.hover(-1)
    pen.ondblclick = event => { if (this.mode === 'pan') this.zoom(2, event) }
    pen.onkeydown = event => this.onKey(event)
    pen.addEventListener('wheel', event => {
      if (!event.ctrlKey && !event.metaKey && pen.getRootNode().activeElement !== pen) return
      event.preventDefault()
      this.zoom(Math.exp(-event.deltaY / 400), event)
    }, { passive: false })
    this.watch = new ResizeObserver(() => this.resize())
    this.watch.observe(this.plane)
  }

  attach(parent) {
    const place = parent.querySelector('.place')
    if (this.root.parentElement !== place) place.replaceChildren(this.root)
    this.resize()
  }

  colours() {
    const style = getComputedStyle(this.root), read = name => style.getPropertyValue(name)
    this.ink = { text: read('--st-text-color'), paper: read('--st-background-color'), accent: read('--st-primary-color'), line: read('--st-border-color') }
    this.hues = read('--st-chart-categorical-colors').split(/,(?![^(]*\))/).map(one => one.trim()).filter(Boolean)
    this.ramp = read('--st-chart-sequential-colors').split(/,(?![^(]*\))/).map(one => one.trim()).filter(Boolean)
  }

  setPoints(data) {
    if (this.version === data.version) return
    const moved = this.place !== data.place
    this.version = data.version
    this.place = data.place
    this.x = unpack(data.x, Float32Array)
    this.y = unpack(data.y, Float32Array)
    this.ids = unpack(data.ids, Int32Array)
    this.colourings = Object.fromEntries(Object.entries(data.colourings).map(([name, one]) => [name, { ...one, codes: unpack(one.codes, Uint16Array) }]))
    this.picked = new Uint8Array(this.ids.length)
    this.at = new Map()
    this.ids.forEach((id, at) => this.at.set(id, at))
    this.over = -1
    this.sorted = null
    if (moved) this.fit()
    if (this.chosen) this.pick(this.chosen)
    this.ask()
  }

  setState(data, send) {
    this.send = send
    this.words = data.words
    for (const [name, tool] of Object.entries(this.tools)) {
      const text = data.words[name]
      tool.title = text
      tool.setAttribute('aria-label', text)
      if (!tool.classList.contains('sign')) tool.textContent = text
    }
    this.canvas.setAttribute('aria-label', data.words.map)
    this.all.textContent = data.words.all
    this.heading.textContent = data.words.title
    this.queries = data.pins
    if (this.colour !== data.colour) { this.colour = data.colour; this.hidden.clear(); this.sorted = null }
    if (this.seq < 0) this.seq = data.ack
    if (data.ack === this.seq) { this.chosen = data.selected; if (this.ids) this.pick(data.selected) }
    this.setMode(this.mode)
    this.ask()
  }

  setThumbs(data, tell) {
    this.tell = tell
    for (const [id, thumb] of Object.entries(data.thumbs)) this.thumbs.set(Number(id), thumb)
    this.waiting = false
    if (this.over >= 0) this.show()
  }

  pick(ids) {
    this.stamp++
    this.picked.fill(0)
    for (const id of ids) { const at = this.at.get(id); if (at !== undefined) this.picked[at] = 1 }
  }

  setMode(mode) {
    this.mode = mode
    for (const name of ['lasso', 'box', 'pan']) this.tools[name].setAttribute('aria-pressed', String(name === mode))
    this.canvas.style.cursor = mode === 'pan' ? 'grab' : 'crosshair'
  }

  // The view

  resize() {
    const box = this.plane.getBoundingClientRect(), ratio = window.devicePixelRatio || 1
    if (!box.width) return
    const before = this.size
    this.size = { width: box.width, height: box.height, ratio }
    this.canvas.width = Math.round(box.width * ratio)
    this.canvas.height = Math.round(box.height * ratio)
    if (!before || before.width !== box.width) this.fit()
    else this.ask()
  }

  fit() {
    if (!this.size || !this.x?.length) return
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity]
    for (let at = 0; at < this.x.length; at++) {
      left = Math.min(left, this.x[at]); right = Math.max(right, this.x[at])
      low = Math.min(low, this.y[at]); high = Math.max(high, this.y[at])
    }
    const { width, height } = this.size, edge = 28
    const scale = Math.min((width - 2 * edge) / (right - left || 1), (height - 2 * edge) / (high - low || 1))
    this.view = { scale, x: width / 2 - scale * (left + right) / 2, y: height / 2 + scale * (low + high) / 2 }
    this.whole = scale
    this.ask()
  }

  zoom(factor, event) {
    const at = event ? this.point(event) : [this.size.width / 2, this.size.height / 2]
    const scale = Math.max(this.whole / 2, Math.min(this.whole * 200, this.view.scale * factor)), by = scale / this.view.scale
    this.view = { scale, x: at[0] - (at[0] - this.view.x) * by, y: at[1] - (at[1] - this.view.y) * by }
    this.rest()
    this.ask()
  }

  sx(at) { return this.view.x + this.view.scale * this.x[at] }
  sy(at) { return this.view.y - this.view.scale * this.y[at] }

  point(event) {
    const box = this.canvas.getBoundingClientRect()
    return [event.clientX - box.left, event.clientY - box.top]
  }

  // Drawing

  ask() {
    if (this.frame) return
    this.frame = requestAnimationFrame(() => { this.frame = 0; this.draw() })
  }

  order() {
    const { codes, names, ramp } = this.colourings[this.colour]
    const sizes = new Array(names.length).fill(0)
    for (const code of codes) sizes[code]++
    const starts = [0]
    sizes.forEach((size, code) => { starts[code + 1] = starts[code] + size })
    const fill = starts.slice(), rows = new Uint32Array(codes.length)
    codes.forEach((code, at) => { rows[fill[code]++] = at })
    const hues = names.map((_, code) => ramp ? this.ramp[this.ramp.length - 1 - Math.round((this.ramp.length - 3) * code / Math.max(1, names.length - 1))] : this.hues[code % this.hues.length])
    this.sorted = { rows, starts, sizes, hues }
    this.stamp++
    this.legend(names)
  }

  legend(names) {
    const { sizes, hues } = this.sorted
    this.list.replaceChildren(...names.map((name, code) => {
      const swatch = make('i'), entry = make('button', '', swatch, make('span', '', name), make('em', '', String(sizes[code])))
      swatch.style.background = hues[code]
      entry.type = 'button'
      entry.dataset.code = code
      entry.title = name
      entry.setAttribute('aria-pressed', String(!this.hidden.has(code)))
      entry.onclick = event => event.shiftKey ? this.toggle(code) : this.isolate(code)
      return entry
    }).filter((_, code) => sizes[code]))
    this.all.hidden = !this.hidden.size
  }

  isolate(code) {
    const names = this.colourings[this.colour].names
    const alone = code !== null && !this.hidden.has(code) && this.hidden.size === names.length - 1
    this.hidden = new Set(code === null || alone ? [] : names.map((_, at) => at).filter(at => at !== code))
    this.marked()
  }

  toggle(code) {
    this.hidden.has(code) ? this.hidden.delete(code) : this.hidden.add(code)
    this.marked()
  }

  marked() {
    this.stamp++
    for (const entry of this.list.children) entry.setAttribute('aria-pressed', String(!this.hidden.has(Number(entry.dataset.code))))
    this.all.hidden = !this.hidden.size
    this.ask()
  }

  draw() {
    if (!this.size || !this.x || !this.colour || !this.root.isConnected) return
    this.colours()
    if (!this.sorted) this.order()
    const pen = this.canvas.getContext('2d'), { width, height, ratio } = this.size
    pen.setTransform(ratio, 0, 0, ratio, 0, 0)
    pen.clearRect(0, 0, width, height)
    const { x, y, scale } = this.view, key = [x, y, scale, width, height, ratio, this.version, this.colour, this.stamp, this.ink.paper].join()
    if (this.layer?.key !== key && !(this.moving && this.layer && this.x.length > MANY)) this.paint(key)
    const by = scale / this.layer.view.scale, left = x - this.layer.view.x * by, top = y - this.layer.view.y * by
    pen.drawImage(this.layer.canvas, left, top, this.layer.width * by, this.layer.height * by)
    this.pins(pen)
    if (this.over >= 0) {
      pen.lineWidth = 2
      pen.strokeStyle = this.ink.text
      pen.beginPath()
      pen.arc(this.sx(this.over), this.sy(this.over), this.radius() + 4, 0, 7)
      pen.stroke()
    }
    if (this.drag?.path) this.outline(pen)
    let chosen = 0
    for (const one of this.picked) chosen += one
    this.count.textContent = (this.words.count ?? '').replace('{n}', chosen.toLocaleString(document.documentElement.lang)).replace('{total}', this.x.length.toLocaleString(document.documentElement.lang))
    this.root.dataset.drawn = this.version
    this.root.dataset.selected = chosen
  }

  // All points onto a layer of its own, which a lasso, the pointer and a move only copy: 50,000 take a tenth of a second.
  paint(key) {
    const { width, height, ratio } = this.size, canvas = this.layer?.canvas ?? document.createElement('canvas')
    canvas.width = this.canvas.width
    canvas.height = this.canvas.height
    const pen = canvas.getContext('2d')
    pen.setTransform(ratio, 0, 0, ratio, 0, 0)
    const some = this.picked.includes(1)
    const radius = this.radius()
    const { rows, starts, hues } = this.sorted
    const paint = want => {
      for (let code = hues.length - 1; code >= 0; code--) {  // the first, which on a ramp is the lowest, on top
        if (this.hidden.has(code)) continue
        pen.fillStyle = hues[code]
        if (radius > 2.5) pen.beginPath()
        for (let row = starts[code]; row < starts[code + 1]; row++) {
          const at = rows[row]
          if (some && this.picked[at] !== want) continue
          const x = this.sx(at), y = this.sy(at)
          if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue
          if (radius > 2.5) { pen.moveTo(x + radius, y); pen.arc(x, y, radius, 0, 7) }
          else pen.fillRect(x - radius, y - radius, 2 * radius, 2 * radius)
        }
        if (radius > 2.5) pen.fill()
      }
    }
    pen.globalAlpha = some ? 0.16 : 0.82
    paint(0)
    if (some) { pen.globalAlpha = 1; paint(1) }
    pen.globalAlpha = 1
    if (this.colourings[this.colour].labels) this.label(pen, some)
    this.layer = { canvas, key, width, height, view: { ...this.view } }
  }

  radius() {
    const count = this.x.length, nearness = Math.min(2.2, Math.max(1, Math.sqrt(this.view.scale / this.whole)))
    return (count > 20000 ? 1.3 : count > 3000 ? 2 : count > 500 ? 3.2 : 4.5) * nearness
  }

  rest() {
    this.moving = true
    clearTimeout(this.settle)
    this.settle = setTimeout(() => { this.moving = false; this.ask() }, 140)
  }

  label(pen, some) {
    const { rows, starts, sizes, hues } = this.sorted, names = this.colourings[this.colour].names, taken = []
    if (!this.middles || this.middles.of !== this.sorted) {
      this.middles = names.map((_, code) => {
        const own = rows.slice(starts[code], starts[code + 1])
        return sizes[code] ? [median(Array.from(own, at => this.x[at])), median(Array.from(own, at => this.y[at]))] : null
      })
      this.middles.of = this.sorted
    }
    pen.font = `600 12px ${getComputedStyle(this.root).fontFamily}`
    pen.textAlign = 'center'
    pen.lineJoin = 'round'
    const codes = names.map((_, code) => code).filter(code => sizes[code] && !this.hidden.has(code)).sort((a, b) => sizes[b] - sizes[a])
    for (const code of codes) {
      const x = this.view.x + this.view.scale * this.middles[code][0], y = this.view.y - this.view.scale * this.middles[code][1] - 8
      const name = names[code].length > 22 ? `${names[code].slice(0, 21)}…` : names[code], half = pen.measureText(name).width / 2 + 3
      const box = [x - half, y - 12, x + half, y + 4]
      if (box[0] < 0 || box[2] > this.size.width || box[1] < 0 || box[3] > this.size.height) continue
      if (taken.some(other => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) continue
      taken.push(box)
      pen.globalAlpha = some ? 0.55 : 1
      pen.lineWidth = 4
      pen.strokeStyle = this.ink.paper
      pen.strokeText(name, x, y)
      pen.fillStyle = this.ink.text
      pen.fillText(name, x, y)
    }
    pen.globalAlpha = 1
    pen.textAlign = 'left'
  }

  pins(pen) {
    this.pictures ??= new Map()
    for (const query of this.queries) {
      const x = this.view.x + this.view.scale * query.x, y = this.view.y - this.view.scale * query.y, side = 44
      let picture = this.pictures.get(query.src)
      if (!picture) {
        picture = new Image()
        picture.onload = () => this.ask()
        picture.src = query.src
        this.pictures.set(query.src, picture)
      }
      pen.fillStyle = this.ink.accent
      pen.beginPath(); pen.moveTo(x, y); pen.lineTo(x - 7, y - 10); pen.lineTo(x + 7, y - 10); pen.fill()
      pen.fillRect(x - side / 2 - 2, y - 12 - side, side + 4, side + 4)
      pen.fillStyle = '#fff'
      pen.fillRect(x - side / 2, y - 10 - side, side, side)
      if (picture.complete && picture.naturalWidth) pen.drawImage(picture, x - side / 2 + 2, y - 8 - side, side - 4, side - 4)
    }
  }

  outline(pen) {
    const path = this.drag.path
    pen.beginPath()
    path.forEach(([x, y], at) => at ? pen.lineTo(x, y) : pen.moveTo(x, y))
    pen.closePath()
    pen.globalAlpha = 0.12
    pen.fillStyle = this.ink.accent
    pen.fill()
    pen.globalAlpha = 1
    pen.lineWidth = 1.5
    pen.setLineDash([5, 4])
    pen.strokeStyle = this.ink.accent
    pen.stroke()
    pen.setLineDash([])
  }

  // Pointer and keys

  down(event) {
    if (event.button) return
    this.canvas.setPointerCapture(event.pointerId)
    this.drag = { from: this.point(event), view: { ...this.view }, path: this.mode === 'pan' ? null : [this.point(event)], add: event.shiftKey, less: event.altKey }
    this.hover(-1)
  }

  move(event) {
    const [x, y] = this.point(event)
    if (!this.drag) return this.hover(this.nearest(x, y))
    const [fx, fy] = this.drag.from
    this.drag.moved ||= Math.hypot(x - fx, y - fy) > 4
    if (this.mode === 'pan') { this.view = { ...this.view, x: this.drag.view.x + x - fx, y: this.drag.view.y + y - fy }; this.rest() }
    else if (this.mode === 'box') this.drag.path = [[fx, fy], [x, fy], [x, y], [fx, y]]
    else this.drag.path.push([x, y])
    this.ask()
  }

  up(event) {
    const drag = this.drag
    this.drag = null
    this.ask()
    if (!drag) return
    if (drag.moved) { if (drag.path) this.take(drag, at => inside(drag.path, this.sx(at), this.sy(at))); return }
    const near = this.nearest(...this.point(event))
    if (near >= 0) this.take(drag, at => at === near, true)
    else if (!drag.add && !drag.less) this.take(drag, () => false)
  }

  take(drag, within, one) {
    const codes = this.colourings[this.colour].codes
    const flip = one && (this.picked.includes(1))
    for (let at = 0; at < this.picked.length; at++) {
      const hit = !this.hidden.has(codes[at]) && within(at)
      if (flip) { if (hit) this.picked[at] = this.picked[at] ? 0 : 1 }
      else if (drag.less) { if (hit) this.picked[at] = 0 }
      else if (drag.add) { if (hit) this.picked[at] = 1 }
      else this.picked[at] = hit ? 1 : 0
    }
    this.tellSelection()
  }

  tellSelection() {
    this.stamp++
    const ids = []
    this.picked.forEach((one, at) => { if (one) ids.push(this.ids[at]) })
    this.seq += 1
    this.chosen = ids
    this.ask()
    this.send?.('selected', { ids, seq: this.seq })
  }

  onKey(event) {
    const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key]
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (step) { this.view = { ...this.view, x: this.view.x + step[0], y: this.view.y + step[1] }; this.rest(); this.ask() }
    else if (event.key === '+' || event.key === '=') this.zoom(1.5)
    else if (event.key === '-') this.zoom(1 / 1.5)
    else if (event.key === '0') this.fit()
    else if (event.key === 'Escape' && this.picked.includes(1)) { this.picked.fill(0); this.tellSelection() }
    else return
    event.preventDefault()
  }

  nearest(x, y, reach = REACH) {
    if (!this.ids || !this.sorted) return -1
    const codes = this.colourings[this.colour].codes
    let best = reach * reach, found = -1
    for (let at = 0; at < this.ids.length; at++) {
      const dx = this.sx(at) - x
      if (dx > reach || dx < -reach || this.hidden.has(codes[at])) continue
      const dy = this.sy(at) - y, far = dx * dx + dy * dy
      if (far < best) { best = far; found = at }
    }
    return found
  }

  hover(at) {
    if (at === this.over) return
    this.over = at
    this.ask()
    if (at < 0) { this.card.hidden = true; return }
    this.show()
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.fetch(), 60)
  }

  fetch() {
    if (this.over < 0 || this.thumbs.has(this.ids[this.over]) || this.waiting && performance.now() - this.waiting < 2000) return
    const x = this.sx(this.over), y = this.sy(this.over), near = [[0, this.over]]
    for (let at = 0; at < this.ids.length; at++) {
      const far = Math.hypot(this.sx(at) - x, this.sy(at) - y)
      if (at !== this.over && far < 60 && !this.thumbs.has(this.ids[at])) near.push([far, at])
    }
    near.sort((a, b) => a[0] - b[0])
    this.waiting = performance.now()
    this.tell?.('hover', near.slice(0, 12).map(([, at]) => this.ids[at]))
  }

  show() {
    const id = this.ids[this.over], thumb = this.thumbs.get(id), [image, name, more] = this.card.children
    image.hidden = !thumb?.src
    if (thumb?.src && image.getAttribute('src') !== thumb.src) image.src = thumb.src
    const own = this.colourings[this.colour]
    name.textContent = thumb?.name ?? this.colourings.class.names[this.colourings.class.codes[this.over]]
    more.textContent = thumb?.note ?? (this.colour === 'class' ? '' : own.names[own.codes[this.over]])
    const x = this.sx(this.over), y = this.sy(this.over), { width, height } = this.size
    this.card.style.left = x < width / 2 ? `${x + 14}px` : 'auto'
    this.card.style.right = x < width / 2 ? 'auto' : `${width - x + 14}px`
    this.card.style.top = y < height / 2 ? `${y + 10}px` : 'auto'
    this.card.style.bottom = y < height / 2 ? 'auto' : `${height - y + 10}px`
    this.card.hidden = false
    if (!thumb) { clearTimeout(this.timer); this.timer = setTimeout(() => this.fetch(), 60) }
  }
}

const inside = (path, x, y) => {
  let within = false
  for (let at = 0, before = path.length - 1; at < path.length; before = at++) {
    const [ax, ay] = path[at], [bx, by] = path[before]
    if (ay > y !== by > y && x < (bx - ax) * (y - ay) / (by - ay) + ax) within = !within
  }
  return within
}

export default function ({ data, parentElement, setStateValue }) {
  let map = maps.get(data.key)
  if (!map) maps.set(data.key, map = new PointMap(data.key))
  if (data.role === 'points') {
    map.attach(parentElement)
    map.setPoints(data)
    return () => { if (map.root.getRootNode() === parentElement || !map.root.isConnected) { map.watch.disconnect(); maps.delete(data.key) } }
  }
  if (data.role === 'state') map.setState(data, setStateValue)
  else map.setThumbs(data, setStateValue)
}
