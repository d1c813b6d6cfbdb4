// The moving part of pages/ui/components/sheet.py. Every value is set as text (textContent, value, title) or, for a
// picture of ours, as an image's address; nothing is evaluated. What the person does goes into a numbered log that is
// sent as state until the server acknowledges it, and shows at once: no run of the page can lose or undo it.

const sheets = new WeakMap()
const unsent = globalThis.burinUnsent ??= new Set()  // a link waits for these: native.js
const PICTURE = /^(data:image\/webp;base64,|\/thumbnail\/)/
const FORMULA = /^[=+\-@\t\r\n'\uff1d\uff0b\uff0d\uff20]/  // as core/intake/cells.py
const TICK = { id: '', kind: 'tick', title: '', width: 44 }
const make = (tag, name, ...children) => {
  const element = document.createElement(tag)
  if (name) element.className = name
  element.append(...children)
  return element
}
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole)
const plain = text => String(text).normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()
const between = (low, value, high) => Math.max(low, Math.min(value, high))

class Sheet {
  constructor(root) {
    Object.assign(this, { root, log: [], seq: 0, pending: new Map(), refused: new Map(), heard: 0, lines: new Map(), order: [], columns: [], ticks: new Set(),
      tickSeq: 0, sort: null, filters: new Map(), at: null, anchor: null, editor: null, timer: 0 })
    this.cols = make('colgroup')
    this.head = make('thead')
    this.body = make('tbody')
    this.table = make('table', '', this.cols, this.head, this.body)
    this.table.setAttribute('role', 'grid')
    this.frame = make('div', 'frame', this.table)
    this.said = make('p', 'said')
    this.said.setAttribute('role', 'status')
    this.lists = make('div', 'lists')
    root.replaceChildren(this.frame, this.said, this.lists)
    this.body.onkeydown = event => this.key(event)
    this.body.onpointerdown = event => this.press(event)
    this.body.onpointerover = event => { if (this.dragging && event.buttons === 1) this.reach(this.place(event), true) }
    this.body.onclick = event => this.click(event)
    this.body.ondblclick = event => { if (this.place(event)) this.edit() }
    this.body.oncopy = event => this.copy(event)
    this.body.onpaste = event => this.paste(event)
    this.released = () => { this.dragging = false }
    window.addEventListener('pointerup', this.released)
    unsent.add(this)
  }

  close() { window.removeEventListener('pointerup', this.released); unsent.delete(this); this.send(); clearTimeout(this.timer) }

  // What the server says

  update(data, set) {
    this.set = set
    this.words = data.words
    this.seq = Math.max(this.seq, data.ack)
    this.log = this.log.filter(entry => entry.seq > data.ack)
    for (const [name, one] of this.pending) if (one.seq <= data.ack) this.pending.delete(name)
    this.frame.style.maxHeight = `${data.height}px`
    this.table.style.setProperty('--row', `${data.row_height}px`)
    this.table.setAttribute('aria-label', this.words.table)
    this.ticked = data.selected !== null
    this.table.setAttribute('aria-multiselectable', String(this.ticked))
    if (this.ticked && this.tickSeq <= data.ack) this.ticks = new Set(data.selected)
    const shape = JSON.stringify([data.columns, this.ticked])
    if (shape !== this.shape) {
      this.shape = shape
      this.columns = this.ticked ? [TICK, ...data.columns] : data.columns
      this.editor = null
      this.ids = ''
      this.lines.clear()
      this.drawHead()
    }
    for (const one of data.refused.filter(one => one.n > this.heard)) {  // what was typed and not taken stays to be mended
      this.heard = one.n
      this.refused.set(`${one.id} ${one.column}`, one)
    }
    const ids = data.rows.map(row => row.id), same = this.ids && ids.join() === this.ids
    this.ids = ids.join()
    const there = new Set(ids)
    for (const id of this.lines.keys()) if (!there.has(id)) this.lines.delete(id)
    for (const row of data.rows) {
      const line = this.lines.get(row.id)
      if (line) line.row = row
      else this.lines.set(row.id, this.newLine(row))
      this.drawLine(row.id)
    }
    if (!same || !this.body.childElementCount) {
      this.given = ids
      this.arrange()
    }
    this.drawTicks()
  }

  value(id, column) {
    const held = this.pending.get(`${id} ${column.id}`)
    return held ? held.value : this.lines.get(id).row[column.id]
  }

  text(id, column) {
    const value = this.value(id, column)
    if (column.kind === 'tick') return this.ticks.has(id) ? '✓' : ''
    if (column.kind === 'picture' || value === null || value === undefined) return ''
    return column.kind === 'choice' ? column.names.get(value) ?? '' : String(value)
  }

  // Drawing

  drawHead() {
    const names = make('tr'), filters = make('tr', 'filters')
    this.cols.replaceChildren(...this.columns.map(column => {
      const col = make('col')
      col.style.width = `${column.width}px`
      return col
    }))
    this.measure()
    this.lists.replaceChildren()
    this.columns.forEach((column, at) => {
      const head = make('th'), filter = make('th')
      head.scope = 'col'
      for (const one of at <= this.pinned ? [head, filter] : []) { one.classList.add('pinned'); one.style.left = `var(--left-${at})` }
      if (column.kind === 'tick') {
        this.all = make('input')
        this.all.type = 'checkbox'
        this.all.setAttribute('aria-label', this.words.all)
        this.all.title = this.words.all
        this.all.onchange = () => this.tick(this.order, this.all.checked)
        head.append(this.all)
      } else if (['picture', 'open'].includes(column.kind)) head.append(make('span', '', column.title))
      else {
        const button = make('button', '', column.title), input = make('input')
        button.type = 'button'
        button.onclick = () => {
          const way = this.sort?.[0] === column.id ? { 1: -1 }[this.sort[1]] : 1
          this.sort = way ? [column.id, way] : null
          this.arrange()
        }
        head.append(button)
        input.type = 'search'
        input.placeholder = column.kind === 'number' ? this.words.number : this.words.filter
        input.title = `${this.words.filter} ${column.title}`
        input.setAttribute('aria-label', `${this.words.filter} ${column.title}`)
        input.value = this.filters.get(column.id) ?? ''
        input.oninput = () => { this.filters.set(column.id, input.value); this.arrange() }
        input.onkeydown = event => event.stopPropagation()
        filter.append(input)
      }
      if (column.kind === 'choice') {
        column.names = new Map(column.choices)
        const list = make('datalist')
        list.id = `choices-${at}`
        list.append(...column.choices.map(([, name]) => { const option = make('option'); option.value = name; return option }))
        this.lists.append(list)
      }
      head.dataset.kind = column.kind
      if (column.kind !== 'tick') head.append(this.handle(at))
      names.append(head)
      filters.append(filter)
    })
    this.head.replaceChildren(names, filters)
  }

  get pinned() { return this.columns.findLastIndex(column => column.kind === 'tick' || column.pinned) }

  measure() {
    const widths = [...this.cols.children].map(col => parseFloat(col.style.width))
    this.table.style.width = `${widths.reduce((sum, width) => sum + width, 0)}px`
    this.columns.forEach((column, at) => this.table.style.setProperty(`--left-${at}`, `${widths.slice(0, at).reduce((sum, width) => sum + width, 0)}px`))
  }

  handle(at) {
    const handle = make('i', 'handle')
    handle.onpointerdown = event => {
      event.preventDefault()
      handle.setPointerCapture(event.pointerId)
      const from = event.clientX, width = parseFloat(this.cols.children[at].style.width)
      handle.onpointermove = move => { this.cols.children[at].style.width = `${Math.max(48, width + move.clientX - from)}px`; this.measure() }
    }
    handle.onpointerup = () => { handle.onpointermove = null }
    return handle
  }

  newLine(row) {
    const line = make('tr')
    const cells = this.columns.map((column, at) => {
      const cell = make('td', at <= this.pinned ? 'pinned' : '')
      cell.tabIndex = -1
      cell.dataset.kind = column.kind
      cell.dataset.column = column.id
      if (at <= this.pinned) cell.style.left = `var(--left-${at})`
      if (column.kind !== 'tick') cell.setAttribute('aria-readonly', String(!column.editable))
      cell.onfocus = () => { if (!this.editor) this.settle(row.id, at) }
      line.append(cell)
      return cell
    })
    line.dataset.id = row.id
    return { line, cells, row }
  }

  drawLine(id) {
    const { cells } = this.lines.get(id)
    this.columns.forEach((column, at) => {
      const cell = cells[at]
      if (this.editor?.cell === cell) return
      if (column.kind === 'tick') {
        if (cell.firstChild) return
        const box = make('input')
        box.type = 'checkbox'
        box.tabIndex = -1
        box.setAttribute('aria-label', this.words.tick)
        cell.append(box)
        return
      }
      const refused = this.refused.get(`${id} ${column.id}`)
      const text = refused ? refused.value : column.kind === 'picture' ? this.value(id, column) ?? '' : this.text(id, column)
      if (cell.shown === text && cell.refused === refused) return
      cell.shown = text
      cell.refused = refused
      cell.classList.toggle('refused', Boolean(refused))
      if (refused) cell.setAttribute('aria-invalid', 'true')
      else cell.removeAttribute('aria-invalid')
      if (column.kind === 'picture') {
        const image = make('img')
        image.alt = ''
        image.loading = 'lazy'
        image.decoding = 'async'
        image.draggable = false
        if (PICTURE.test(text)) image.src = text
        cell.replaceChildren(image)
      } else {
        cell.textContent = text
        cell.title = refused ? refused.why : text
      }
    })
  }

  arrange() {
    const kept = this.given.filter(id => this.columns.every(column => this.passes(id, column)))
    const column = this.sort && this.columns.find(one => one.id === this.sort[0])
    if (column) {
      const compare = new Intl.Collator(document.documentElement.lang || undefined, { numeric: true }).compare
      const of = id => (column.kind === 'number' ? this.value(id, column) : this.text(id, column))
      const rank = value => (value === null || value === undefined || value === '' ? 1 : 0)
      const keyed = kept.map((id, at) => ({ id, at, value: of(id) }))
      keyed.sort((a, b) => rank(a.value) - rank(b.value) ||
        this.sort[1] * (column.kind === 'number' ? a.value - b.value : compare(a.value ?? '', b.value ?? '')) || a.at - b.at)
      kept.splice(0, kept.length, ...keyed.map(one => one.id))
    }
    this.order = kept
    const focused = this.active && this.body.contains(this.active), [left, top] = [this.frame.scrollLeft, this.frame.scrollTop]
    this.body.replaceChildren(...kept.map(id => this.lines.get(id).line))
    if (!kept.length) {
      const cell = make('td', 'empty', this.words.nothing)
      cell.colSpan = this.columns.length
      this.body.append(make('tr', '', cell))
    }
    this.frame.scrollTo(left, top)
    this.table.setAttribute('aria-rowcount', String(kept.length + 1))
    ;[...this.head.firstChild.children].forEach((head, at) => {
      const way = this.sort?.[0] === this.columns[at].id && this.columns[at].id ? this.sort[1] : 0
      head.setAttribute('aria-sort', way ? (way > 0 ? 'ascending' : 'descending') : 'none')
    })
    if (!this.at || !this.lines.has(this.at[0]) || !kept.includes(this.at[0])) this.at = kept.length ? [kept[0], 0] : null
    if (!this.anchor || !kept.includes(this.anchor[0])) this.anchor = this.at
    this.mark()
    if (focused) this.focus()
    this.drawTicks()
  }

  passes(id, column) {
    const wanted = (this.filters.get(column.id) ?? '').trim()
    if (!wanted || column.kind === 'tick' || column.kind === 'picture') return true
    if (column.kind !== 'number') return plain(this.text(id, column)).includes(plain(wanted))
    const value = this.value(id, column), number = text => parseFloat(text.replace(',', '.'))
    const [, sign, first, second] = /^([<>=]?)\s*([\d.,]+)?\s*(?:[-–]\s*([\d.,]+))?$/.exec(wanted) ?? []
    if (first === undefined) return true
    if (value === null || value === undefined) return false
    if (second !== undefined) return value >= number(first) && value <= number(second)
    return { '<': value < number(first), '>': value > number(first) }[sign] ?? value === number(first)
  }

  drawTicks() {
    if (!this.ticked) return
    for (const [id, { line, cells }] of this.lines) {
      cells[0].firstChild.checked = this.ticks.has(id)
      line.setAttribute('aria-selected', String(this.ticks.has(id)))
    }
    const on = this.order.filter(id => this.ticks.has(id)).length
    this.all.checked = Boolean(on) && on === this.order.length
    this.all.indeterminate = Boolean(on) && on < this.order.length
  }

  // Where one is

  get active() { return this.root.getRootNode().activeElement }

  place(event) {
    const cell = event.composedPath().find(element => element.tagName === 'TD' && element.dataset.kind)
    return cell ? [Number(cell.parentElement.dataset.id), [...cell.parentElement.children].indexOf(cell)] : null
  }

  settle(id, column) {
    this.at = [id, column]
    if (!this.reaching) this.anchor = this.at
    this.mark()
  }

  reach(place, extend) {
    if (!place) return
    this.reaching = extend
    this.at = place
    if (!extend) this.anchor = place
    this.focus()
    this.reaching = false
    this.mark()
  }

  focus() {
    if (!this.at) return
    const cell = this.lines.get(this.at[0])?.cells[this.at[1]]
    if (!cell) return
    cell.focus({ preventScroll: true })
    const box = cell.getBoundingClientRect(), frame = this.frame.getBoundingClientRect(), head = this.head.getBoundingClientRect().bottom
    if (box.top < head) this.frame.scrollTop -= head - box.top
    else if (box.bottom > frame.bottom - 12) this.frame.scrollTop += box.bottom - frame.bottom + 12
    const left = cell.classList.contains('pinned') ? frame.left : frame.left + parseFloat(getComputedStyle(this.table).getPropertyValue(`--left-${this.pinned + 1}`) || 0)
    if (box.left < left && !cell.classList.contains('pinned')) this.frame.scrollLeft -= left - box.left
    else if (box.right > frame.right) this.frame.scrollLeft += Math.min(box.right - frame.right, box.left - left)
  }

  get area() {
    if (!this.at) return { ids: [], columns: [] }
    const rows = [this.at, this.anchor].map(([id]) => this.order.indexOf(id)), columns = [this.at[1], this.anchor[1]]
    const [low, high] = [Math.min(...columns), Math.max(...columns)]
    return { ids: this.order.slice(Math.min(...rows), Math.max(...rows) + 1),
      columns: this.columns.map((column, at) => ({ column, at })).filter(({ at }) => at >= low && at <= high) }
  }

  mark() {
    for (const cell of this.marked ?? []) { cell.classList.remove('in'); cell.tabIndex = -1 }
    const { ids, columns } = this.area
    this.marked = ids.flatMap(id => columns.map(({ at }) => this.lines.get(id).cells[at]))
    if (this.marked.length > 1) this.marked.forEach(cell => cell.classList.add('in'))
    const current = this.at && this.lines.get(this.at[0])?.cells[this.at[1]]
    if (current) { current.tabIndex = 0; this.marked.push(current) }
  }

  step(down, right) {
    const row = between(0, this.order.indexOf(this.at[0]) + down, this.order.length - 1)
    return [this.order[row], between(0, this.at[1] + right, this.columns.length - 1)]
  }

  // The hands

  press(event) {
    const place = this.place(event)
    if (!place || event.button || event.composedPath()[0] === this.editor?.input) return
    this.again = this.at && this.active === this.lines.get(this.at[0])?.cells[this.at[1]] && place[0] === this.at[0] && place[1] === this.at[1]
    if (this.columns[place[1]].kind === 'tick') return
    this.commit()
    this.dragging = event.pointerType === 'mouse'
    this.reach(place, event.shiftKey)
  }

  click(event) {
    const place = this.place(event)
    if (!place) return
    if (this.columns[place[1]].kind === 'open') return void this.write({ open: place[0] })
    if (this.columns[place[1]].kind !== 'tick') {
      if (this.again && event.pointerType === 'touch') this.edit()
      return
    }
    const [id] = place, on = !this.ticks.has(id)
    const from = event.shiftKey && this.lastTick ? this.order.indexOf(this.lastTick) : -1, to = this.order.indexOf(id)
    this.lastTick = id
    this.tick(from < 0 ? [id] : this.order.slice(Math.min(from, to), Math.max(from, to) + 1), on)
    this.reach(place, false)
  }

  tick(ids, on) {
    ids.forEach(id => this.ticks[on ? 'add' : 'delete'](id))
    this.drawTicks()
    this.tickSeq = this.write({ ticks: this.given.filter(id => this.ticks.has(id)) })
  }

  key(event) {
    if (event.target === this.editor?.input) return this.typing(event)
    if (event.isComposing || !this.at) return
    const control = event.ctrlKey || event.metaKey, column = this.columns[this.at[1]]
    const page = Math.max(1, Math.floor(this.frame.clientHeight / this.lines.get(this.at[0]).line.offsetHeight) - 2)
    const move = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1], PageDown: [page, 0], PageUp: [-page, 0],
      Home: [control ? -Infinity : 0, -Infinity], End: [control ? Infinity : 0, Infinity] }[event.key]
    const end = control && event.key.startsWith('Arrow')
    let act = null
    if (move && !event.altKey) act = () => this.reach(this.step(...(end ? move.map(way => (way ? way * Infinity : 0)) : move)), event.shiftKey)
    else if (event.key === 'Tab' && !control) {
      const to = this.step(0, event.shiftKey ? -1 : 1)
      if (to[1] !== this.at[1]) act = () => this.reach(to, false)
    } else if (control && event.key.toLowerCase() === 'd') act = () => this.fillDown()
    else if (control || event.altKey) return
    else if (event.key === 'Enter' || event.key === 'F2') act = () => ({ tick: () => this.tick([this.at[0]], !this.ticks.has(this.at[0])), open: () => this.write({ open: this.at[0] }) }[column.kind] ?? (() => this.edit()))()
    else if (event.key === ' ' && this.ticked && !column.editable) act = () => this.tick(this.area.ids, !this.ticks.has(this.at[0]))
    else if (event.key === 'Delete' || event.key === 'Backspace') act = () => this.take(this.area.ids.flatMap(id => this.area.columns.filter(({ column: one }) => one.editable && one.kind === 'text').map(({ column: one }) => [id, one, ''])))
    else if (event.key === 'Escape') act = () => this.reach(this.at, false)
    else if (event.key.length === 1 && column.editable) act = () => this.edit(event.key)
    event.stopPropagation()  // the page's own keys are not meant
    if (!act) return
    event.preventDefault()
    act()
  }

  typing(event) {
    event.stopPropagation()
    if (event.isComposing) return
    const to = { Enter: [1, 0], Tab: [0, event.shiftKey ? -1 : 1] }[event.key]
    if (event.key === 'Escape') {
      event.preventDefault()
      this.refused.delete(`${this.editor.id} ${this.editor.column.id}`)
      this.leave()
      this.focus()
    }
    else if (to) {
      event.preventDefault()
      if (!this.commit()) return
      this.reach(this.step(...to), false)
    }
  }

  // Editing

  edit(first) {
    const [id, at] = this.at ?? [], column = this.columns[at]
    if (!column?.editable || this.editor) return
    const cell = this.lines.get(id).cells[at], input = make('input'), text = this.refused.get(`${id} ${column.id}`)?.value ?? this.text(id, column)
    if (column.kind === 'choice') {
      input.setAttribute('list', `choices-${at}`)
      input.placeholder = text
      input.value = first ?? ''
    } else input.value = first ?? text
    input.setAttribute('aria-label', column.title)
    input.maxLength = 2000
    this.editor = { id, column, cell, input }
    cell.classList.add('editing')
    cell.replaceChildren(input)
    input.focus({ preventScroll: true })
    if (first === undefined) input.select()
    if (first === undefined && column.kind === 'choice') try { input.showPicker() } catch { /* an older browser */ }
    input.oninput = event => {  // picked from the list, not typed
      if (column.kind === 'choice' && event.inputType === 'insertReplacementText' && this.commit()) this.focus()
    }
    input.onblur = () => { if (!this.commit()) this.leave() }
  }

  // Take what stands in the editor and close it; false where it is none of the choices, and then it stays open.
  commit() {
    if (!this.editor) return true
    const { id, column, input } = this.editor
    const value = column.kind === 'choice' && !input.value.trim() ? this.value(id, column) : this.understood(column, input.value)
    if (value === undefined) {
      input.setAttribute('aria-invalid', 'true')
      this.said.textContent = this.words.unknown
      return false
    }
    this.leave()
    this.take([[id, column, value]])
    return true
  }

  leave() {
    const { cell, id } = this.editor ?? {}
    if (!cell) return
    this.editor.input.onblur = null
    this.editor = null
    cell.classList.remove('editing')
    cell.shown = undefined
    this.said.textContent = ''
    if (this.lines.has(id)) this.drawLine(id)
  }

  // A text as the column's value; undefined where it cannot be one.
  understood(column, text) {
    if (column.kind !== 'choice') return text
    const wanted = plain(text.trim())
    return (column.choices.find(([, name]) => name === text.trim()) ?? column.choices.find(([, name]) => plain(name) === wanted))?.[0]
  }

  // Write cells down ([id, column, value]), show them at once and send them together.
  take(changes) {
    for (const [id, column] of changes) if (this.refused.delete(`${id} ${column.id}`)) this.drawLine(id)
    const edits = changes.map(([id, column, value]) => ({ id, column: column.id, value, was: this.value(id, column) ?? '' })).filter(edit => edit.value !== edit.was)
    if (!edits.length) return
    const seq = this.write({ edits })
    for (const { id, column, value } of edits) this.pending.set(`${id} ${column}`, { value, seq })
    new Set(edits.map(edit => edit.id)).forEach(id => this.drawLine(id))
  }

  fillDown() {
    const { ids, columns } = this.area
    this.take(ids.slice(1).flatMap(id => columns.filter(({ column }) => column.editable).map(({ column }) => [id, column, this.value(ids[0], column) ?? ''])))
  }

  copy(event) {
    if (this.editor) return
    const { ids, columns } = this.area
    const cell = text => (FORMULA.test(text) ? `'${text}` : text).replace(/[\t\r\n]+/g, ' ')
    event.clipboardData.setData('text/plain', ids.map(id => columns.map(({ column }) => cell(this.text(id, column))).join('\t')).join('\n'))
    event.preventDefault()
  }

  paste(event) {
    if (this.editor || !this.at) return
    event.preventDefault()
    event.stopPropagation()
    const text = event.clipboardData.getData('text/plain').replace(/\r\n?/g, '\n').replace(/\n$/, '')
    if (!text) return
    const block = text.split('\n').map(line => line.split('\t').map(cell => (cell[0] === "'" && FORMULA.test(cell.slice(1)) ? cell.slice(1) : cell)))
    const { ids, columns } = this.area, alone = block.length === 1 && block[0].length === 1
    const top = this.order.indexOf(ids[0]), changes = []
    let missed = 0
    const put = (id, column, cell) => {
      const value = column?.editable && id !== undefined ? this.understood(column, cell) : undefined
      if (value === undefined) missed += 1
      else changes.push([id, column, value])
    }
    if (alone) ids.forEach(id => columns.forEach(({ column }) => put(id, column, block[0][0])))
    else block.forEach((line, down) => line.forEach((cell, right) => put(this.order[top + down], this.columns[columns[0].at + right], cell)))
    this.take(changes)
    this.said.textContent = missed ? fill(this.words.missed, { n: missed }) : ''
  }

  // The log

  write(entry) {
    this.seq = Math.max(this.seq + 1, Date.now())
    this.log.push({ seq: this.seq, ...entry })
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.send(), 60)
    return this.seq
  }

  send() {
    clearTimeout(this.timer)
    if (this.log.length) this.set('said', { log: [...this.log] })
  }
}

export default function ({ data, parentElement, setStateValue }) {
  let sheet = sheets.get(parentElement)
  if (!sheet) sheets.set(parentElement, sheet = new Sheet(parentElement.querySelector('.sheet')))
  sheet.update(data, setStateValue)
  return () => { sheet.close(); sheets.delete(parentElement) }
}
