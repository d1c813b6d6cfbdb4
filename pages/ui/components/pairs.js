// The list of confused pairs: an image of each class, their names, how often. Names are set as text.

const make = (tag, name, text) => {
  const element = document.createElement(tag)
  if (name) element.className = name
  if (text) element.textContent = text
  return element
}
const plate = src => {
  const holder = make('span', 'plate')
  if (src) { const image = make('img'); image.src = src; image.alt = ''; holder.append(image) }
  return holder
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector('.pairs')
  root.setAttribute('aria-label', data.label)
  root.replaceChildren(...data.pairs.map(pair => {
    const entry = make('button'), names = make('span', 'names'), bar = make('span', 'bar'), part = make('i')
    entry.type = 'button'
    entry.setAttribute('aria-current', String(pair.id === data.current))
    names.append(make('b', '', pair.own), make('em', '', '→'), make('b', '', pair.other))
    part.style.width = `${Math.max(2, 100 * pair.share)}%`
    bar.append(part)
    const words = make('span', 'words')
    words.append(names, bar, make('small', '', pair.note))
    entry.append(plate(pair.from), plate(pair.to), words)
    entry.onclick = () => setTriggerValue('opened', pair.id)
    return entry
  }))
}
