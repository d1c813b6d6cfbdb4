// The moving part of pages/ui/components/picture.py. Boxes are kept in pixels of the picture; `paint` lays them out.
const instances = new WeakMap()
const STEP = 1.6, TALLEST = 520, CLICK = 6, REACH = 22, WAIT = 300
const ICONS = {
  closer: 'M11 4a7 7 0 1 0 0 14a7 7 0 0 0 0-14M20 20l-4-4M8 11h6M11 8v6',
  further: 'M11 4a7 7 0 1 0 0 14a7 7 0 0 0 0-14M20 20l-4-4M8 11h6',
  fit: 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5',
  draw: 'M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M12 9v6M9 12h6',
  move: 'M12 3v18M3 12h18M9 6l3-3l3 3M9 18l3 3l3-3M6 9l-3 3l3 3M18 9l3 3l-3 3',
  again: 'M20 12a8 8 0 1 1-2.3-5.7M20 3v5h-5',
  quarter: 'M4 12a8 8 0 1 0 2.3-5.7M4 3v5h5',
  remove: 'M5 7h14M10 4h4M7 7l1 13h8l1-13',
}

const make = (tag, name, text) => {
  const element = document.createElement(tag)
  if (name) element.className = name
  if (text) element.textContent = text
  return element
}

const button = (name, label, act) => {
  const element = make('button', name), drawing = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path')
  element.type = 'button'
  element.title = label
  element.setAttribute('aria-label', label)
  drawing.setAttribute('viewBox', '0 0 24 24')
  drawing.setAttribute('aria-hidden', 'true')
  path.setAttribute('d', ICONS[name])
  drawing.append(path)
  element.append(drawing)
  element.onclick = act
  return element
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value))
const shared = (a, b) => {
  const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x), down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y)
  return Math.max(0, across) * Math.max(0, down) / Math.min(a.width * a.height, b.width * b.height)
}

class View {
  constructor(parent) {
    this.root = parent.querySelector('.picture')
    this.stage = this.root.querySelector('.stage')
    this.image = this.root.querySelector('.image')
    this.layer = this.root.querySelector('.boxes')
    this.zoom = 1
    this.middle = [.5, .5]  // of the picture, what is in the middle of the stage
    this.marks = []
    this.offers = []
    this.chosen = -1
    this.pointers = new Map()
    this.timer = 0
    this.listen()
    this.watch = new ResizeObserver(() => this.paint())
    this.watch.observe(this.stage)
  }

  // What the page gave

  take(data) {
    const first = !this.data, other = first || this.data.full !== data.full
    this.data = data
    if (this.timer) return  // something is about to be sent: the page's answer to it comes next
    const chosen = this.marks[this.chosen]
    this.marks = data.boxes.filter(box => box.taken).map(box => ({ ...box }))
    this.offers = data.boxes.filter(box => !box.taken)
    this.chosen = chosen ? this.marks.findIndex(mark => ['x', 'y', 'width', 'height'].every(name => mark[name] === chosen[name])) : -1
    if (other) {
      this.image.src = data.src
      this.sharp = false
      this.zoom = 1
      this.middle = [.5, .5]
      this.tool = matchMedia('(pointer: coarse)').matches && !data.asking ? 'move' : 'draw'
    }
    if (data.locked) this.tool = 'move'
    if (data.asking && !other && !this.asked) this.tool = data.locked ? 'move' : 'draw'
    this.asked = data.asking
    this.image.alt = data.words.picture
    this.stage.setAttribute('aria-label', data.words.picture)
    this.build()
    this.paint()
  }

  whole(box) { return box.x <= 0 && box.y <= 0 && box.width >= this.data.width && box.height >= this.data.height && !box.turn }

  // Where things are on the screen

  get scale() {
    return Math.min(this.stage.clientWidth / this.data.width, this.stage.clientHeight / this.data.height) * this.zoom
  }

  get nearest() { return Math.max(8, 6 * this.zoom / this.scale) }

  get offset() {
    const scale = this.scale, room = [this.stage.clientWidth, this.stage.clientHeight], sides = [this.data.width, this.data.height]
    return sides.map((side, at) => {
      const long = side * scale
      if (long <= room[at]) { this.middle[at] = .5; return (room[at] - long) / 2 }
      const half = room[at] / 2 / long
      this.middle[at] = clamp(this.middle[at], half, 1 - half)
      return room[at] / 2 - this.middle[at] * long
    })
  }

  at(event) {
    const box = this.stage.getBoundingClientRect()
    return [event.clientX - box.left - this.stage.clientLeft, event.clientY - box.top - this.stage.clientTop]
  }

  inPicture([x, y]) {
    const scale = this.scale, [left, top] = this.offset
    return [clamp((x - left) / scale, 0, this.data.width), clamp((y - top) / scale, 0, this.data.height)]
  }

  // Looking closer

  closer(factor, [x, y] = [this.stage.clientWidth / 2, this.stage.clientHeight / 2]) {
    const before = [(x - this.offset[0]) / this.scale, (y - this.offset[1]) / this.scale]
    const zoom = clamp(this.zoom * factor, 1, this.nearest)
    if (zoom === this.zoom) return false
    this.zoom = zoom
    const scale = this.scale
    this.middle = [(before[0] * scale + this.stage.clientWidth / 2 - x) / (this.data.width * scale),
                   (before[1] * scale + this.stage.clientHeight / 2 - y) / (this.data.height * scale)]
    this.paint()
    return true
  }

  sharpen() {
    const shown = this.image.naturalWidth
    if (this.sharp || !this.data.full || !shown || shown >= this.data.width || this.scale * devicePixelRatio * this.data.width <= 1.2 * shown) return
    this.sharp = true
    const full = new Image(), address = this.data.full
    full.onload = () => { if (this.data.full === address) this.image.src = address }
    full.onerror = () => {}  // the small one stays
    full.src = address
  }

  // Drawing what is there

  paint() {
    const { data, stage } = this
    if (!data || !stage.clientWidth) return
    stage.style.height = `${clamp(stage.clientWidth * data.height / data.width, 160, Math.min(TALLEST, .7 * innerHeight))}px`
    const scale = this.scale, [left, top] = this.offset
    this.image.style.width = `${data.width}px`
    this.image.style.height = `${data.height}px`
    this.image.style.transform = `translate(${left}px, ${top}px) scale(${scale})`
    stage.classList.toggle('draw', this.tool === 'draw')
    stage.classList.toggle('move', this.tool !== 'draw')
    stage.classList.toggle('near', this.zoom > 1)
    this.place(left, top, scale)
    for (const [name, element] of Object.entries(this.buttons ?? {})) {
      if (name === 'draw' || name === 'move') element.setAttribute('aria-pressed', String(this.tool === name))
      if (name === 'closer') element.disabled = this.zoom >= this.nearest
      if (name === 'further' || name === 'fit') element.disabled = this.zoom <= 1
    }
    const { words, locked } = data, chosen = this.marks[this.chosen]
    this.root.querySelector('.hint').textContent = locked ? '' : chosen && this.keys ? words.hint_keys : this.tool === 'draw' ? words.hint : words.hint_moving
    this.sharpen()
  }

  place(left, top, scale) {
    const shown = [...this.marks.filter(mark => !this.whole(mark)), ...this.offers]
    const old = new Map([...this.layer.children].map(element => [element.dataset.name, element])), kept = []
    let number = 0
    const several = this.marks.length > 1
    for (const box of shown) {
      const taken = this.marks.includes(box), name = `${taken ? 'mark' : 'offer'} ${taken ? ++number : this.offers.indexOf(box)}`
      let element = old.get(name)
      if (!element) {
        element = make('button', 'box')
        element.type = 'button'
        element.dataset.name = name
        element.append(make('b'))
        element.onkeydown = event => this.key(event, element.box)
        element.onclick = event => { if (event.detail === 0) this.click(element.box) }
        element.onfocus = () => { if (this.marks.includes(element.box) && element.matches(':focus-visible')) this.choose(element.box, true) }
        this.layer.append(element)
      }
      element.box = box
      kept.push(element)
      const chosen = taken && this.marks[this.chosen] === box
      element.className = `box ${taken ? '' : 'proposed'} ${chosen ? 'chosen' : ''}`
      element.setAttribute('aria-label', [taken ? `${this.data.words.mark} ${number}` : this.data.words.proposed, box.label].filter(Boolean).join(': '))
      if (taken) element.setAttribute('aria-pressed', String(chosen)); else element.removeAttribute('aria-pressed')
      element.tabIndex = this.data.locked ? -1 : 0
      element.style.left = `${left + box.x * scale}px`
      element.style.top = `${top + box.y * scale}px`
      element.style.width = `${Math.max(4, box.width * scale)}px`
      element.style.height = `${Math.max(4, box.height * scale)}px`
      const title = element.querySelector('b')
      title.textContent = taken ? [several ? number : '', box.label].filter(Boolean).join(' · ') : ''
      title.classList.toggle('within', top + box.y * scale < 24)
      element.querySelectorAll('i, u').forEach(part => part.remove())
      if (chosen && !this.data.locked) {
        for (const [x, y] of [[0, 0], [1, 0], [1, 1], [0, 1]]) {
          const corner = make('i')
          corner.style.left = `${100 * x}%`
          corner.style.top = `${100 * y}%`
          element.append(corner)
        }
        if (box.turn) {
          const up = make('u')
          up.style.transform = `rotate(${box.turn}deg)`
          element.append(up)
        }
      }
    }
    for (const element of [...this.layer.children]) if (!kept.includes(element)) element.remove()
  }

  build() {
    const { words, locked } = this.data, tools = this.root.querySelector('.tools')
    const pick = tool => event => {
      this.tool = tool
      if (tool === 'draw' && event.detail === 0) this.add(this.central(), true)  // by the keyboard
      this.paint()
    }
    if (this.language !== words.closer || this.locked !== locked) {
      this.language = words.closer
      this.locked = locked
      this.buttons = {
        further: button('further', words.further, () => this.closer(1 / STEP)),
        closer: button('closer', words.closer, () => this.closer(STEP)),
        fit: button('fit', words.fit, () => { this.zoom = 1; this.paint() }),
        ...(locked ? {} : {
          draw: button('draw', words.draw, pick('draw')),
          move: button('move', words.move, pick('move')),
          again: button('again', words.again, () => { this.chosen = -1; this.send([]) }),
        }),
      }
      if (this.buttons.draw) this.buttons.draw.classList.add('gap')
      tools.setAttribute('aria-label', words.picture)
      tools.replaceChildren(...Object.values(this.buttons))
    }
    this.inspect()
  }

  inspect() {
    const about = this.root.querySelector('.about'), mark = this.marks[this.chosen], { words, locked } = this.data
    about.hidden = !mark || locked
    if (about.hidden) { this.inspected = null; return }
    if (this.inspected?.language !== words.turn) {
      const turn = make('label', '', words.turn), slider = make('input'), out = make('output'), tones = make('span', 'tones')
      slider.type = 'range'
      slider.min = -180
      slider.max = 180
      turn.append(slider, out)
      const set = value => { const one = this.marks[this.chosen]; if (one) { one.turn = value; this.inspect(); this.paint(); this.later() } }
      slider.oninput = () => set(Number(slider.value))
      tones.setAttribute('role', 'radiogroup')
      tones.setAttribute('aria-label', words.tone)
      tones.append(make('span', '', words.tone))
      for (const [tone, text] of Object.entries(words.tones)) {
        const one = make('button', '', text)
        one.type = 'button'
        one.dataset.tone = tone
        one.setAttribute('role', 'radio')
        one.onclick = () => { const it = this.marks[this.chosen]; if (it) { it.tone = tone; this.inspect(); this.later() } }
        tones.append(one)
      }
      about.replaceChildren(turn, button('quarter', words.quarter, () => set(((this.marks[this.chosen]?.turn ?? 0) + 90 + 180) % 360 - 180)),
                            tones, button('remove', words.remove, () => this.drop()))
      this.inspected = { language: words.turn, slider, out, tones }
    }
    const { slider, out, tones } = this.inspected
    if (Number(slider.value) !== mark.turn) slider.value = mark.turn
    out.textContent = `${Math.round(mark.turn)}°`
    slider.setAttribute('aria-valuetext', `${Math.round(mark.turn)} ${words.degrees}`)
    tones.querySelectorAll('button').forEach(one => one.setAttribute('aria-checked', String(one.dataset.tone === (mark.tone || ''))))
  }

  // Pointing

  choose(box, keys = false) {
    this.chosen = this.marks.indexOf(box)
    this.keys = keys
    this.inspect()
    this.paint()
  }

  central() {
    const [x, y] = this.inPicture([this.stage.clientWidth / 2, this.stage.clientHeight / 2]), { width, height } = this.data
    const side = Math.max(4, .4 * Math.min(this.stage.clientWidth, this.stage.clientHeight) / this.scale)
    const w = Math.min(side, width), h = Math.min(side, height)
    return { x: clamp(x - w / 2, 0, width - w), y: clamp(y - h / 2, 0, height - h), width: w, height: h }
  }

  add(box, keys = false) {
    const made = { turn: 0, tone: '', label: '', taken: true, ...box }
    this.marks = this.data.most === 1 ? [] : this.marks.filter(mark => !this.whole(mark) && shared(mark, made) <= .5).slice(0, this.data.most - 1)
    this.offers = this.offers.filter(offer => shared(offer, made) <= .5)
    this.marks.push(made)
    this.choose(made, keys)
    if (keys) this.layer.querySelector('.chosen')?.focus()
    this.later()
  }

  click(box) {
    if (this.data.locked) return
    if (!box) { this.choose(null); return }
    if (this.marks.includes(box)) this.choose(box)
    else this.add({ ...box, label: '' })
  }

  drop() {
    this.marks.splice(this.chosen, 1)
    this.chosen = -1
    this.inspect()
    this.paint()
    this.stage.focus()
    this.later()
  }

  later(delay = WAIT) {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.send(this.marks), delay)
  }

  send(marks) {
    clearTimeout(this.timer)
    this.timer = 0
    const { width, height } = this.data
    this.set('regions', marks.filter(mark => !this.whole(mark)).map(mark => {
      const x = clamp(Math.round(mark.x), 0, width - 1), y = clamp(Math.round(mark.y), 0, height - 1)
      Object.assign(mark, { x, y, width: clamp(Math.round(mark.width), 1, width - x), height: clamp(Math.round(mark.height), 1, height - y) })
      return { x: mark.x, y: mark.y, width: mark.width, height: mark.height, turn: mark.turn || 0, tone: mark.tone || '' }
    }))
  }

  key(event, box) {
    const mark = this.marks.includes(box) ? box : null, step = Math.max(1, 8 / this.scale) * (event.altKey ? .25 : 1)
    const to = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
    if (mark && to) {
      const { width, height } = this.data
      if (event.shiftKey) {
        mark.width = clamp(mark.width + to[0] * step, 4, width - mark.x)
        mark.height = clamp(mark.height + to[1] * step, 4, height - mark.y)
      } else {
        mark.x = clamp(mark.x + to[0] * step, 0, width - mark.width)
        mark.y = clamp(mark.y + to[1] * step, 0, height - mark.height)
      }
      this.chosen = this.marks.indexOf(mark)
      this.keys = true
      this.inspect()
      this.paint()
      this.later(600)
    } else if (mark && (event.key === 'Delete' || event.key === 'Backspace')) {
      this.chosen = this.marks.indexOf(mark)
      this.drop()
    } else return
    event.preventDefault()
    event.stopPropagation()
  }

  corner([x, y]) {
    const mark = this.marks[this.chosen]
    if (!mark || this.whole(mark)) return null
    const scale = this.scale, [left, top] = this.offset
    const far = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([a, b]) => ({ a, b, far: Math.hypot(left + (mark.x + a * mark.width) * scale - x, top + (mark.y + b * mark.height) * scale - y) }))
    const best = far.sort((one, other) => one.far - other.far)[0]
    return best.far <= REACH ? [mark.x + (1 - best.a) * mark.width, mark.y + (1 - best.b) * mark.height] : null  // the one across stays
  }

  under(place) {
    const [x, y] = this.inPicture(place)
    const over = [...this.marks.filter(mark => !this.whole(mark)), ...this.offers].filter(box => x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height)
    return over.sort((one, other) => one.width * one.height - other.width * other.height)[0]
  }

  listen() {
    const { stage } = this
    stage.addEventListener('wheel', event => {
      if (this.closer(Math.exp(-clamp(event.deltaY, -240, 240) / 300), this.at(event))) event.preventDefault()
    }, { passive: false })
    stage.onkeydown = event => {
      if (event.target !== stage) return
      const act = { '+': () => this.closer(STEP), '=': () => this.closer(STEP), '-': () => this.closer(1 / STEP), '0': () => { this.zoom = 1; this.paint() },
                    Escape: () => this.choose(null),
                    ArrowLeft: () => this.pan(-40, 0), ArrowRight: () => this.pan(40, 0), ArrowUp: () => this.pan(0, -40), ArrowDown: () => this.pan(0, 40) }[event.key]
      if (!act || event.ctrlKey || event.metaKey || (event.key.startsWith('Arrow') && this.zoom <= 1)) return
      event.preventDefault()
      act()
    }
    stage.onpointerdown = event => {
      if (event.button > 1 || this.pointers.size > 1) return
      stage.setPointerCapture(event.pointerId)
      this.pointers.set(event.pointerId, this.at(event))
      if (this.pointers.size === 2) {  // a pinch, whatever was begun
        if (this.drag?.made) this.undraw()
        this.drag = null
        this.pinch = this.spread()
        return
      }
      const place = this.at(event), across = this.data.locked ? null : this.corner(place)
      const how = across ? 'size' : this.tool === 'draw' && event.button === 0 && !event.altKey ? 'draw' : 'pan'
      this.drag = { how, from: place, last: place, start: across ?? this.inPicture(place), before: [...this.marks], offers: this.offers, chosen: this.chosen }
    }
    stage.onpointermove = event => {
      if (!this.pointers.has(event.pointerId)) return
      const place = this.at(event)
      this.pointers.set(event.pointerId, place)
      if (this.pinch && this.pointers.size === 2) {
        const now = this.spread()
        this.closer(now.wide / Math.max(1, this.pinch.wide), now.middle)
        this.pan(this.pinch.middle[0] - now.middle[0], this.pinch.middle[1] - now.middle[1])
        this.pinch = now
        return
      }
      const { drag } = this
      if (!drag || (!drag.moved && Math.hypot(place[0] - drag.from[0], place[1] - drag.from[1]) < CLICK)) return
      drag.moved = true
      if (drag.how === 'pan') {
        stage.classList.add('held')
        this.pan(drag.last[0] - place[0], drag.last[1] - place[1])
        drag.last = place
        return
      }
      const [x, y] = this.inPicture(place), [u, v] = drag.start
      const box = { x: Math.min(x, u), y: Math.min(y, v), width: Math.max(1, Math.abs(x - u)), height: Math.max(1, Math.abs(y - v)) }
      if (drag.how === 'size') Object.assign(this.marks[this.chosen], box)
      else if (drag.made) Object.assign(drag.made, box)
      else {
        drag.made = { ...box, turn: 0, tone: '', label: '', taken: true }
        this.marks = [...drag.before, drag.made]
        this.chosen = this.marks.length - 1
      }
      this.keys = false
      this.paint()
    }
    const end = event => {
      if (!this.pointers.delete(event.pointerId)) return
      stage.classList.remove('held')
      if (this.pinch) { if (!this.pointers.size) this.pinch = null; return }
      const { drag } = this
      this.drag = null
      if (!drag) return
      if (!drag.moved) { if (event.type === 'pointerup') this.click(this.under(drag.from)); return }
      if (drag.how === 'size') { this.inspect(); this.later() }
      if (!drag.made) return
      const made = drag.made
      this.marks = drag.before
      this.chosen = drag.chosen
      if (event.type === 'pointerup' && Math.min(made.width, made.height) * this.scale >= CLICK) this.add(made)
      else this.paint()
    }
    stage.onpointerup = end
    stage.onpointercancel = end
  }

  undraw() {
    this.marks = this.drag.before
    this.chosen = this.drag.chosen
    this.paint()
  }

  spread() {
    const [[x, y], [u, v]] = [...this.pointers.values()]
    return { wide: Math.hypot(u - x, v - y), middle: [(x + u) / 2, (y + v) / 2] }
  }

  pan(x, y) {
    if (this.zoom <= 1) return
    this.middle = [this.middle[0] + x / (this.data.width * this.scale), this.middle[1] + y / (this.data.height * this.scale)]
    this.paint()
  }
}

export default function ({ data, parentElement, setStateValue }) {
  let view = instances.get(parentElement)
  if (!view) instances.set(parentElement, view = new View(parentElement))
  view.set = setStateValue
  if (view.version !== data.version) {
    view.version = data.version
    view.take(data)
  }
  return () => { clearTimeout(view.timer); view.timer = 0 }
}
