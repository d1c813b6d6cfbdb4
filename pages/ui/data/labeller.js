// The labelling desk in the browser: one image large, its likeliest classes, a strip of what comes.
// Every action is shown at once and kept in a numbered log until the server has acknowledged it, so
// that no key is lost however fast they come. Names are set as text, never as markup.

const desks = new WeakMap()
let left = null  // the desk whose place in the page is gone: where it is mounted anew, what it holds goes on
const unsent = globalThis.burinUnsent ??= new Set()  // a link waits for these: pages/ui/components/native.js
const pictures = globalThis.burinPictures ??= { held: new Map(), listeners: new Set() }
const decimals = value => value.toLocaleString(document.documentElement.lang || 'en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
const plain = text => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()
const make = (tag, name, ...children) => {
  const element = document.createElement(tag)
  if (name) element.className = name
  element.append(...children)
  return element
}
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole)

class Desk {
  constructor(root) {
    this.items = new Map()
    this.overrides = new Map()
    this.log = []
    this.undone = []
    this.done = []
    this.waiting = []
    this.seq = 0
    this.ack = 0
    this.view = { zoom: 0, turn: 0, ink: 0 }
    this.onKey = event => this.key(event)
    this.onPicture = () => this.draw()
    this.open(root)
  }

  open(root) {
    this.root = root
    this.build()
    document.addEventListener('keydown', this.onKey)
    pictures.listeners.add(this.onPicture)
    unsent.add(this)
    this.dirty = this.log.length > 0  // what the server has not acknowledged is sent again
    return this
  }

  close() {
    this.send()
    document.removeEventListener('keydown', this.onKey)
    pictures.listeners.delete(this.onPicture)
    unsent.delete(this)
  }

  build() {
    const button = (name, act) => {
      const element = make('button', name)
      element.type = 'button'
      element.onclick = () => { act(); element.blur() }
      return element
    }
    this.place = make('span', 'place')
    this.labelled = make('span', 'labelled')
    this.saved = make('span', 'saved')
    this.saved.setAttribute('role', 'status')
    this.problem = make('p', 'problem')
    this.problem.setAttribute('role', 'alert')
    this.image = make('img')
    this.paper = make('div', 'paper', this.image)
    this.paper.onclick = () => this.zoom()
    this.paper.onmousemove = event => this.pan(event)
    this.tools = {
      zoom: button('', () => this.zoom()), turn: button('', () => this.turn()), ink: button('', () => this.ink())
    }
    this.facts = make('span', 'facts')
    this.alike = make('a', 'alike')  // in a tab of its own: the desk stays as it is
    this.alike.target = '_blank'
    this.label = make('div', 'label')
    this.said = make('p', 'said')
    this.input = make('input')
    this.input.type = 'text'
    this.input.autocomplete = 'off'
    this.input.spellcheck = false
    this.input.setAttribute('role', 'combobox')
    this.input.setAttribute('aria-autocomplete', 'list')
    this.input.oninput = () => { this.choice = 0; this.suggest() }
    this.input.onfocus = () => { this.choice = 0; this.suggest() }
    // At once: a timer would clear what somebody quick has typed for the next image. A press on the list keeps the focus.
    this.input.onblur = () => { this.input.value = ''; this.closeList() }
    this.input.onkeydown = event => this.typing(event)
    this.list = make('ul', 'suggestions')
    this.list.id = 'label-suggestions'
    this.list.setAttribute('role', 'listbox')
    this.input.setAttribute('aria-controls', this.list.id)
    this.closeList()
    this.proposals = make('div', 'proposals')
    this.buttons = {
      accept: button('accept', () => this.accept()), trash: button('', () => this.trash()),
      undo: button('', () => this.undo()), keys: button('', () => this.toggleKeys())
    }
    this.keys = make('div', 'keys')
    this.keys.hidden = true
    this.strip = make('div', 'strip')
    this.rail = make('div', 'rail', make('i', ''))
    this.desk = make('div', 'desk',
      make('header', '', this.place, this.labelled, this.saved), this.rail, this.problem,
      make('div', 'table',
        make('div', 'stage', this.paper, make('div', 'tools', this.tools.zoom, this.tools.turn, this.tools.ink, this.alike, this.facts)),
        make('div', 'panel', this.label, this.said, make('div', 'picker', this.input, this.list), this.proposals,
          make('div', 'actions', this.buttons.accept, this.buttons.trash, this.buttons.undo, this.buttons.keys))),
      this.strip, this.keys)
    this.end = make('div', 'end')
    this.root.querySelector('.room').replaceChildren(this.desk, this.end)
  }

  // What the server says

  update(data, setStateValue) {
    this.set = setStateValue
    this.words = data.words
    this.reason = data.reason  // why this person may look only; '' for who may label
    this.classes = data.classes
    this.names = new Map(data.classes.map(([id, name]) => [id, name]))
    this.total = data.total
    if (this.epoch !== data.epoch) {
      this.epoch = data.epoch
      this.index = data.index
      this.overrides.clear()
      this.waiting = []
      this.done = []
      this.undone = []
      this.strip.replaceChildren()
    }
    this.seq = Math.max(this.seq, data.ack)
    this.ack = Math.max(this.ack, data.ack)
    this.log = this.log.filter(event => event.seq > data.ack)
    for (const [id, change] of this.overrides) if (change.seq <= data.ack) this.overrides.delete(id)
    this.items = new Map(data.items.map((item, at) => [data.start + at, item]))
    this.window = [data.start, data.start + data.items.length]
    this.problem.textContent = data.failed.filter(([seq]) => seq > (this.dismissed ?? 0)).map(([, text]) => text).join(' ') || this.reason
    this.caption()
    while (this.waiting.length && this.items.has(this.index)) this.waiting.shift()()
    if (this.dirty) this.flush()
    this.draw()
  }

  caption() {
    const { words } = this
    const label = (button, text, key) => { button.replaceChildren(text, make('kbd', '', key)) }
    label(this.tools.zoom, words.zoom, 'Z')
    label(this.tools.turn, words.turn, 'T')
    label(this.tools.ink, words.ink, 'I')
    this.alike.textContent = words.alike
    label(this.buttons.accept, words.accept, '↵')
    label(this.buttons.trash, words.trash, 'X')
    label(this.buttons.undo, words.undo, 'Ctrl Z')
    label(this.buttons.keys, words.keys, '?')
    this.input.placeholder = words.type
    this.input.setAttribute('aria-label', words.type)
    this.list.setAttribute('aria-label', words.type)
    this.strip.setAttribute('aria-label', words.strip)
    const close = make('button', 'close', words.close)
    close.type = 'button'
    close.onclick = () => this.toggleKeys()
    this.keys.replaceChildren(make('h3', '', words.keys),
      make('dl', '', ...words.list.flatMap(([key, what]) => [make('dt', '', make('kbd', '', key)), make('dd', '', what)])), close)
  }

  // What is shown

  of(item) {
    const change = this.overrides.get(item.id)
    return change ?? { id: item.class, gone: item.gone, name: this.names.get(item.class) ?? '' }
  }

  draw() {
    if (!this.words) return
    const item = this.items.get(this.index), { words } = this
    const over = this.index >= this.total
    this.desk.classList.toggle('over', over)
    this.end.hidden = !over
    this.end.textContent = this.total ? words.over : words.none
    this.place.textContent = over ? '' : fill(words.place, { n: this.index + 1, total: this.total })
    this.labelled.textContent = words.labelled
    this.rail.firstChild.style.width = (this.total ? 100 * Math.min(this.index, this.total) / this.total : 0) + '%'
    this.saved.textContent = this.log.length ? fill(words.saving, { n: this.log.length }) : words.saved
    this.saved.dataset.state = this.log.length ? 'saving' : 'saved'
    this.buttons.undo.disabled = !this.done.length
    for (const control of [this.buttons.trash, this.input]) {
      control.disabled = Boolean(this.reason)
      control.title = this.reason
    }
    this.drawStrip()
    if (over) return
    this.desk.classList.toggle('loading', !item)
    if (!item) return
    const shown = this.of(item), first = item.proposals[0]
    const source = pictures.held.get('large ' + item.sha) ?? pictures.held.get(item.sha)
    if (source && this.image.getAttribute('src') !== source) this.image.src = source
    for (const step of [1, -1]) {  // those that may be looked at next are there before they are asked for
      const large = pictures.held.get('large ' + this.items.get(this.index + step)?.sha)
      if (large) new Image().src = large
    }
    this.image.alt = item.file
    const { zoom, turn, ink } = this.view
    this.image.style.transform = `rotate(${90 * turn}deg) scale(${[1, 2, 4][zoom]})`
    this.image.style.filter = ['none', 'grayscale(1) contrast(3)', 'invert(1)'][ink]
    this.image.style.imageRendering = item.side * 3 < 400 && zoom ? 'pixelated' : 'auto'
    this.paper.classList.toggle('zoomed', zoom > 0)
    this.facts.textContent = item.facts
    this.alike.href = `library?similar=${item.id}`
    this.label.dataset.state = shown.gone ? 'gone' : shown.id || shown.name ? 'named' : 'bare'
    this.label.replaceChildren(make('span', '', shown.gone ? words.gone : shown.id || shown.name ? words.label : words.bare),
      make('strong', '', shown.name || '—'))
    this.said.textContent = !first ? words.mute
      : fill(shown.id === first[0] ? words.agrees : words.says, { name: this.names.get(first[0]) ?? '', vote: Math.round(100 * first[2]) })
    this.said.dataset.state = first && shown.id && shown.id !== first[0] ? 'differs' : ''
    this.proposals.replaceChildren(...item.proposals.map(([id, similarity, , reference], at) => {
      const button = make('button'), image = make('img')
      button.type = 'button'
      button.setAttribute('aria-pressed', String(shown.id === id))
      if (pictures.held.has(reference)) image.src = pictures.held.get(reference)
      image.alt = ''
      const bar = make('i', '', make('b'))
      bar.firstChild.style.width = Math.max(0, Math.min(100, 100 * similarity)) + '%'
      button.append(make('kbd', '', String(at + 1)), image,
        make('span', 'name', this.names.get(id) ?? ''), make('span', 'near', decimals(similarity)), bar)
      button.disabled = Boolean(this.reason)
      button.title = this.reason || (this.names.get(id) ?? '')
      button.onclick = () => { this.give(id); button.blur() }
      return button
    }))
    if (!this.input.value) this.closeList()
  }

  drawStrip() {
    const [start, stop] = this.window
    const cells = new Map([...this.strip.children].map(cell => [Number(cell.dataset.at), cell]))
    for (const [at, cell] of cells) if (at < start || at >= stop) cell.remove()
    for (let at = start; at < stop; at++) {
      const item = this.items.get(at)
      let cell = cells.get(at)
      if (!cell || cell.dataset.id !== String(item.id)) {
        cell?.remove()
        cell = make('button', '', make('img'), make('span'))
        cell.type = 'button'
        cell.dataset.at = at
        cell.dataset.id = item.id
        cell.onclick = () => { this.go(at); cell.blur() }
        this.strip.insertBefore(cell, [...this.strip.children].find(other => Number(other.dataset.at) > at) ?? null)
      }
      const shown = this.of(item), source = pictures.held.get(item.sha)
      if (source && cell.firstChild.getAttribute('src') !== source) cell.firstChild.src = source
      cell.firstChild.alt = ''
      cell.lastChild.textContent = shown.gone ? this.words.gone : shown.name || '—'
      cell.title = shown.name || this.words.bare
      cell.setAttribute('aria-current', String(at === this.index))
      cell.dataset.state = shown.gone ? 'gone' : shown.name ? 'named' : 'bare'
    }
    const now = this.strip.querySelector('[aria-current=true]')
    if (now) this.strip.scrollTo({ left: now.offsetLeft - this.strip.clientWidth / 2 + now.clientWidth / 2, behavior: 'instant' })
  }

  // What a person does

  when(act) {  // an image that has not arrived yet gets its keys when it has
    if (this.items.has(this.index) && !this.waiting.length) act(this.items.get(this.index))
    else if (this.index < this.total) this.waiting.push(() => act(this.items.get(this.index)))
  }

  barred() {
    if (this.reason) this.problem.textContent = this.reason
    return Boolean(this.reason)
  }

  give(id, name) {
    if (this.barred()) return
    this.when(item => {
      const before = this.of(item)
      if (!before.gone && id && before.id === id) return this.go(this.index + 1)
      this.write({ do: 'label', id: item.id, class: id ?? null, name: name ?? '', ver: item.ver }, before,
        { id: id ?? 0, name: name ?? this.names.get(id), gone: false })
      this.go(this.index + 1)
    })
  }

  accept() {
    this.when(item => {
      const shown = this.of(item)
      if (shown.gone || shown.id || shown.name) return this.go(this.index + 1)
      if (item.proposals.length) return this.give(item.proposals[0][0])
      this.input.focus()
    })
  }

  trash() {
    if (this.barred()) return
    this.when(item => {
      const before = this.of(item)
      if (!before.gone) this.write({ do: 'trash', id: item.id, ver: item.ver }, before, { ...before, gone: true })
      this.go(this.index + 1)
    })
  }

  write(event, before, after) {
    this.record(event, before, after)
    this.undone = []
  }

  record(event, before, after) {
    event.seq = ++this.seq
    this.done.push({ event, before, after, index: this.index })
    this.overrides.set(event.id, { ...after, seq: event.seq })
    this.log.push(event)
    this.dismissed = event.seq - 1
    this.problem.textContent = ''
    this.flush()
  }

  undo() {
    const last = this.done.pop()
    if (!last) return
    const event = { seq: ++this.seq, do: 'undo', id: last.event.id, of: last.event.seq }
    this.overrides.set(last.event.id, { ...last.before, seq: event.seq })
    this.log.push(event)
    this.undone.push(last)
    this.waiting = []
    this.go(last.index)
    this.flush()
  }

  redo() {
    const last = this.undone.pop()
    if (!last) return
    this.go(last.index)
    this.record({ ...last.event, ver: null }, last.before, last.after)
    this.go(last.index + 1)
  }

  go(index) {
    this.index = Math.max(0, Math.min(this.total, index))
    this.view = { ...this.view, zoom: 0, turn: 0 }
    const [start, stop] = this.window
    if ((this.index > stop - 14 && stop < this.total) || (this.index < start + 3 && start > 0)) this.flush()
    this.draw()
  }

  flush() {
    this.dirty = true
    if (this.timer) return
    this.send()
    this.timer = setTimeout(() => { this.timer = 0; if (this.dirty) this.flush() }, 100)
  }

  send() {
    if (!this.dirty) return
    this.dirty = false
    this.set('sent', { epoch: this.epoch, index: this.index, log: [...this.log] })
  }

  zoom() { this.view.zoom = (this.view.zoom + 1) % 3; this.draw() }
  turn() { this.view.turn = (this.view.turn + 1) % 4; this.draw() }
  ink() { this.view.ink = (this.view.ink + 1) % 3; this.draw() }
  pan(event) {
    const box = this.paper.getBoundingClientRect()
    const at = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
    this.image.style.transformOrigin = this.view.zoom && !this.view.turn ? at.map(v => 100 * v + '%').join(' ') : 'center'
  }
  toggleKeys() { this.keys.hidden = !this.keys.hidden; if (!this.keys.hidden) this.keys.querySelector('.close').focus() }

  key(event) {
    const target = event.composedPath()[0]
    const typing = target.tagName && (/^(TEXTAREA|SELECT)$/.test(target.tagName) || target.isContentEditable ||
      target.tagName === 'INPUT' && !/^(radio|checkbox|button|range)$/.test(target.type))
    if (event.defaultPrevented || typing || event.altKey || !this.set || document.querySelector('[role=dialog]')) return
    const control = event.ctrlKey || event.metaKey, key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    let act
    if (control) {
      if (key === 'z') act = event.shiftKey ? () => this.redo() : () => this.undo()
      else if (key === 'y') act = () => this.redo()
    } else {
      const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1] ?? (/^[1-9]$/.test(key) ? key : null)
      const onButton = target.tagName === 'BUTTON' && !this.root.contains(target)
      if (key === '?') act = () => this.toggleKeys()
      else if (key === 'Escape') act = !this.keys.hidden ? () => this.toggleKeys() : null
      else if (digit && !event.shiftKey || digit && key === digit) act = () => this.when(item => item.proposals[digit - 1] && this.give(item.proposals[digit - 1][0]))
      else if (key === 'Enter' && !onButton) act = () => this.accept()
      else act = {
        ArrowRight: () => this.go(this.index + 1), j: () => this.go(this.index + 1), ArrowLeft: () => this.go(this.index - 1), k: () => this.go(this.index - 1),
        x: () => this.trash(), Delete: () => this.trash(), z: () => this.zoom(), t: () => this.turn(), i: () => this.ink(),
        '/': () => this.input.focus(), l: () => this.input.focus()
      }[key]
    }
    if (!act) return
    event.preventDefault()
    act()
  }

  // The class picker

  suggest() {
    const wanted = plain(this.input.value.trim()), text = this.input.value.trim()
    const rank = one => (plain(one.name) === wanted ? 0 : one.at === 0 ? 1 : 2)
    const found = this.classes.map(([id, name, count]) => ({ id, name, count, at: plain(name).indexOf(wanted) }))
      .filter(one => one.at >= 0).sort((a, b) => rank(a) - rank(b)).slice(0, 8)
    this.found = wanted ? found : []
    if (text && !this.classes.some(([, name]) => name === text)) this.found.push({ id: null, name: text })
    this.choice = Math.min(this.choice, Math.max(0, this.found.length - 1))
    this.list.hidden = !this.found.length
    this.input.setAttribute('aria-expanded', String(!this.list.hidden))
    this.list.replaceChildren(...this.found.map((one, at) => {
      const line = make('li', '', make('span', '', one.id === null ? fill(this.words.create, { name: one.name }) : one.name),
        make('small', '', one.id === null ? '' : String(one.count)))
      line.id = `label-suggestion-${at}`
      line.setAttribute('role', 'option')
      line.setAttribute('aria-selected', String(at === this.choice))
      line.onmousedown = event => { event.preventDefault(); this.pick(one) }
      return line
    }))
    if (this.found.length) this.input.setAttribute('aria-activedescendant', `label-suggestion-${this.choice}`)
    else this.input.removeAttribute('aria-activedescendant')
  }

  closeList() {
    this.list.hidden = true
    this.input.setAttribute('aria-expanded', 'false')
    this.input.removeAttribute('aria-activedescendant')
  }

  typing(event) {
    event.stopPropagation()
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step && this.found?.length) {
      event.preventDefault()
      this.choice = (this.choice + step + this.found.length) % this.found.length
      this.suggest()
    } else if (event.key === 'Enter') {
      event.preventDefault()
      if (this.found?.[this.choice]) this.pick(this.found[this.choice])
    } else if (event.key === 'Escape') this.input.blur()
  }

  pick(one) {
    this.input.value = ''
    this.closeList()
    this.input.blur()
    this.give(one.id, one.name)
  }
}

export default function ({ data, parentElement, setStateValue }) {
  if (data.pictures) {  // the second mount of this component: it only brings pictures
    for (const [name, source] of Object.entries(data.pictures)) pictures.held.set(name, source)
    for (const name of [...pictures.held.keys()].slice(0, Math.max(0, pictures.held.size - 1500))) pictures.held.delete(name)
    pictures.listeners.forEach(listener => listener())
    return
  }
  let desk = desks.get(parentElement)
  if (!desk) {
    desk = left && left.epoch === data.epoch ? left.open(parentElement) : new Desk(parentElement)
    left = null
    desks.set(parentElement, desk)
  }
  desk.update(data, setStateValue)
  return () => { desk.close(); desks.delete(parentElement); left = desk }
}
