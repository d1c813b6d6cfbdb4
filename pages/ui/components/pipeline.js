// The moving part of pages/ui/components/pipeline.py.
const PICTOGRAMS = {
  originals: '<path d="M22 14c-6 10-6 26 0 36M42 14c6 10 6 26 0 36"/><path class="accent" d="M26 34h12c0-9-12-9-12 0 0 8 9 9 12 4"/>',
  variants: '<g opacity=".45"><path d="M12 10c-4 6-4 16 0 22M26 10c4 6 4 16 0 22M15 22h8c0-6-8-6-8 0 0 5 6 6 8 3"/></g><g transform="rotate(14 44 24)"><path d="M37 12c-4 6-4 16 0 22M51 12c4 6 4 16 0 22M40 24h8c0-6-8-6-8 0 0 5 6 6 8 3"/></g><g class="accent" transform="rotate(-9 30 46)"><path d="M23 35c-4 6-4 16 0 22M37 35c4 6 4 16 0 22M26 47h8c0-6-8-6-8 0 0 5 6 6 8 3"/></g>',
  balance: '<path d="M10 52h44"/><path d="M16 52V22M28 52V34M40 52V40M52 52V28" stroke-width="5" opacity=".8"/><path class="accent" d="M9 22h46" stroke-dasharray="3 4"/>',
  train: '<path d="M10 10v44h46" opacity=".7"/><path class="accent" d="M13 14c4 22 10 30 20 33s14 2 21 3"/><path d="M13 22c6 14 12 18 20 20s14 4 21 2" opacity=".5"/>',
  evaluate: '<path d="M12 12h40v40H12zM25.3 12v40M38.6 12v40M12 25.3h40M12 38.6h40" opacity=".6"/><g class="accent" stroke-width="5"><path d="M18.6 18.6h.01M32 32h.01M45.3 45.3h.01" stroke-width="9"/></g>',
  identify: '<circle cx="28" cy="28" r="18"/><path d="M41 41l14 14" stroke-width="3"/><path class="accent" d="M21 18c-4 6-4 14 0 20M35 18c4 6 4 14 0 20M24 29h8c0-6-8-6-8 0 0 5 6 6 8 3"/>',
}
export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector('ol')
  list.setAttribute('aria-label', data.label)
  list.replaceChildren(...data.stations.map(station => {
    const item = document.createElement('li')
    item.className = 'station ' + station.state
    const plate = document.createElement(station.target ? 'button' : 'div')
    plate.className = 'plate'
    if (station.target) { plate.type = 'button'; plate.onclick = () => setTriggerValue('opened', station.target) }
    const disc = document.createElement('span')
    disc.className = 'disc'
    disc.innerHTML = '<svg viewBox="0 0 64 64" aria-hidden="true">' + (PICTOGRAMS[station.pictogram] || '') + '</svg>'
    plate.append(disc)
    for (const part of ['title', 'figure', 'caption', 'note']) {
      if (!station[part]) continue
      const span = document.createElement('span')
      span.className = part
      span.textContent = station[part]
      plate.append(span)
    }
    item.append(plate)
    return item
  }))
}
