// The moving part of pages/ui/components/sketch.py.
const instances = new WeakMap()
const kept = new Map()  // strokes by sheet: the page may take the sheet away and put it back
const PENS = [5, 9, 15]

function paint(pad) {
  const { context, canvas, strokes } = pad
  context.fillStyle = '#fff'
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.lineCap = context.lineJoin = 'round'
  context.strokeStyle = context.fillStyle = '#111'
  for (const { width, points } of strokes) {
    context.lineWidth = width
    context.beginPath()
    if (points.length < 3) {
      context.arc(points[0][0], points[0][1], width / 2, 0, 7)
      context.fill()
      context.beginPath()
    }
    context.moveTo(...points[0])
    for (let i = 1; i < points.length - 1; i++) {
      const [x, y] = points[i], [u, v] = points[i + 1]
      context.quadraticCurveTo(x, y, (x + u) / 2, (y + v) / 2)
    }
    context.lineTo(...points[points.length - 1])
    context.stroke()
  }
  const inked = strokes.length > 0
  pad.root.classList.toggle('inked', inked)
  pad.undo.disabled = pad.clear.disabled = !inked
}

function send(pad, delay) {
  kept.set(pad.name, pad.strokes)
  clearTimeout(pad.timer)
  pad.timer = setTimeout(() => {
    pad.set('drawing', pad.strokes.length ? pad.canvas.toDataURL('image/png') : '')
  }, delay)
}

function build(parentElement, name) {
  const root = parentElement.querySelector('.pad'), canvas = root.querySelector('canvas')
  const pad = { name, root, canvas, context: canvas.getContext('2d'), strokes: kept.get(name) || [], pen: 1, timer: 0,
                undo: root.querySelector('.undo'), clear: root.querySelector('.clear') }
  const at = event => {
    const box = canvas.getBoundingClientRect()
    return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height]
  }
  let stroke = null
  canvas.onpointerdown = event => {
    if (event.button > 0 || stroke) return
    canvas.setPointerCapture(event.pointerId)
    clearTimeout(pad.timer)
    stroke = { id: event.pointerId, width: PENS[pad.pen], points: [at(event)] }
    pad.strokes.push(stroke)
    paint(pad)
  }
  canvas.onpointermove = event => {
    if (!stroke || event.pointerId !== stroke.id) return
    const moves = event.getCoalescedEvents ? event.getCoalescedEvents() : []
    stroke.points.push(...(moves.length ? moves : [event]).map(at))
    paint(pad)
  }
  canvas.onpointerup = canvas.onpointercancel = event => {
    if (!stroke || event.pointerId !== stroke.id) return
    stroke = null
    send(pad, 350)
  }
  pad.undo.onclick = () => { pad.strokes.pop(); paint(pad); send(pad, 150) }
  pad.clear.onclick = () => { pad.strokes = []; paint(pad); send(pad, 0) }
  canvas.onkeydown = event => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z') { event.preventDefault(); pad.undo.onclick() }
  }
  const pens = root.querySelector('.pens')
  pens.replaceChildren(...PENS.map((width, index) => {
    const button = document.createElement('button'), dot = document.createElement('i')
    button.type = 'button'
    dot.style.width = dot.style.height = (width * .9) + 'px'
    button.append(dot)
    button.onclick = () => { pad.pen = index; mark(pad) }
    return button
  }))
  return pad
}

function mark(pad) {
  pad.root.querySelectorAll('.pens button').forEach((button, index) => {
    button.setAttribute('aria-pressed', String(index === pad.pen))
    button.setAttribute('aria-label', pad.words.pens[index])
    button.title = pad.words.pens[index]
  })
}

export default function ({ data, parentElement, setStateValue }) {
  let pad = instances.get(parentElement)
  if (!pad) {
    pad = build(parentElement, data.name)
    instances.set(parentElement, pad)
    if (pad.strokes.length) send(pad, 0)
  }
  pad.set = setStateValue
  pad.words = data.words
  pad.undo.textContent = data.words.undo
  pad.clear.textContent = data.words.clear
  pad.root.querySelector('.hint').textContent = data.words.hint
  pad.canvas.setAttribute('aria-label', data.words.hint)
  mark(pad)
  paint(pad)
  return () => clearTimeout(pad.timer)
}
