// The moving part of pages/ui/components/lens.py. Names, notes and codes are set as text.
const PICTURE = /^(data:image\/webp;base64,|\/thumbnail\/)/
const make = (tag, name, ...children) => {
  const element = document.createElement(tag)
  if (name) element.className = name
  element.append(...children)
  return element
}
const drawn = mark => {
  const picture = make('div', 'picture'), caption = make('figcaption', '', mark.name)
  if (PICTURE.test(mark.src)) {
    const image = make('img')
    image.src = mark.src
    image.alt = mark.name
    image.loading = 'lazy'
    picture.append(image)
  } else picture.textContent = '?'
  if (mark.note) caption.append(make('span', '', mark.note))
  return make('figure', mark.state, picture, caption)
}
export default function ({ data, parentElement }) {
  const lens = parentElement.querySelector('.lens'), version = JSON.stringify(data)
  if (lens.dataset.version === version) return
  lens.dataset.version = version
  lens.classList.toggle('small', data.small)
  lens.setAttribute('role', 'group')
  lens.setAttribute('aria-label', data.words.lens)
  const middle = make('div', 'middle'), free = data.marks.filter(mark => !mark.at)
  if (free.length) middle.append(make('div', 'place', ...free.map(drawn)))
  if (data.code) middle.append(make('div', `code ${data.code_state}`, data.code))
  if (!data.marks.length && !data.code) middle.append(make('div', 'none', data.words.none))
  const places = ['above', 'left', 'right', 'below'].map(at => {
    const here = make('div', `place ${at}`, ...data.marks.filter(mark => mark.at === at).map(drawn))
    here.style.gridArea = at
    return here
  })
  lens.replaceChildren(places[0], places[1], middle, places[2], places[3])
}
