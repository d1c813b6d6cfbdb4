// Mends what Streamlit's own elements have no setting for: their English words, a hint that lies over the field under the
// pointer, a refused file's reason that is hidden, or gone with an uploader that was emptied of what it took, and what a
// screen reader meets: lists that are none, names with Markdown's signs in them; and links that leave before all is sent.
// Texts of people are never touched: only whole texts that are Streamlit's, in the places where it writes them.

const PLACES = [
  '[data-testid=stFileUploader]', '[data-testid=InputInstructions]', '[data-testid=stCameraInput]',
  '[data-testid=stMainMenuPopover]', '[data-testid=stStatusWidget]', '[data-testid=stElementToolbar]',
  '[data-testid=stDataFrameColumnMenu]', '[data-testid=stTooltipContent]', '[role=dialog]', '[role=listbox]',
  '[role=menu]',
].join(',')
const PEOPLES = [
  '[data-testid=stFileChipName]', '[role=option]',
  '[role=dialog] :not([data-testid=stScreencastInstruction]) > [data-testid=stMarkdownContainer]',
].join(',')
const SAID = ['aria-label', 'title', 'placeholder']
const FIELDS = 'input, textarea'  // named by their labels as they are written, in Markdown
const ESCAPED = /\\([!-/:-@[-`{-~])/g
const STYLE = `
[data-testid=stFileUploaderDropzoneInstructions] span { white-space: normal }
[data-testid=InputInstructions] { pointer-events: none }
.refused { margin-top: 0.5rem }
[data-testid=stFileChip][aria-invalid=true] { height: auto; max-width: 100%; flex-wrap: wrap }
[data-testid=stFileChip][aria-invalid=true] [role=alert] {
  position: static; width: auto; height: auto; clip: auto; clip-path: none; margin: 0; overflow: visible;
  white-space: normal; flex-basis: 100%; font-size: 0.875rem; padding: 0 0.25rem 0.25rem;
}`

let words = new Map()
let patterns = []
let language = ''
let observer = null
const before = new WeakMap()  // text node or element -> what Streamlit wrote and what stands there in its place

function inWords(text) {
  const bare = text.trim()
  if (!bare) return null
  if (words.has(bare)) return text.replace(bare, () => words.get(bare))
  for (const [pattern, template] of patterns) {
    if (pattern.test(bare)) return bare.replace(pattern, template)
  }
  return null
}

function put(owner, name, now, write) {
  const held = before.get(owner) ?? {}
  const was = held[name]
  const said = was && now === was.shown ? was.said : now  // as Streamlit has it
  const shown = inWords(said) ?? (name === 'aria-label' && owner.matches(FIELDS) ? said.replace(ESCAPED, '$1') : said)
  held[name] = { said, shown }
  before.set(owner, held)
  if (shown !== now) write(shown)
}

function text(node) {
  const parent = node.parentElement
  if (!parent?.closest(PLACES) || parent.closest(PEOPLES)) return
  put(node, 'text', node.nodeValue, value => { node.nodeValue = value })
}

function element(node) {
  for (const name of SAID) {
    const now = node.getAttribute(name)
    if (now && (node.closest('[data-testid^=st], [role=dialog], [role=listbox]') || node.dataset.testid)) {
      put(node, name, now, value => node.setAttribute(name, value))
    }
  }
}

// Its items lie in a <div> within the <ul>: no list to a screen reader, which is told so.
function navigation() {
  for (const node of document.querySelectorAll('[data-testid=stSidebarNavItems], [data-testid=stSidebarNavItems] li')) {
    if (node.getAttribute('role') !== 'presentation') node.setAttribute('role', 'presentation')
  }
}

// What a component still has to be acknowledged (`log`, `send`) would be lost with its page: a link waits until it is.
const unsent = globalThis.burinUnsent ??= new Set()
const LONGEST_MS = 5000
let leaves = false

function leaving(event) {
  const link = event.target.closest?.('a[href]')
  const waiting = () => [...unsent].filter(one => one.log.length)
  if (leaves || !link || link.target === '_blank' || event.ctrlKey || event.metaKey || event.shiftKey || !waiting().length) return
  event.preventDefault()
  event.stopImmediatePropagation()
  waiting().forEach(one => one.send())
  const until = performance.now() + LONGEST_MS
  const go = () => {
    if (waiting().length && performance.now() < until) return setTimeout(go, 30)
    const same = link.isConnected ? link : [...document.querySelectorAll('a[href]')].find(one => one.href === link.href)
    leaves = true
    same?.click()
    leaves = false
  }
  go()
}

// Identify takes what was dropped and empties its uploader: what that refused is shown on in the next one.
const REFUSED = '[data-testid=stFileChip][aria-invalid=true]'
const EMPTIED = '[class*=st-key-identify-files] [data-testid=stFileUploader]'
let refused = []

function refusals() {
  const now = [...document.querySelectorAll(`${EMPTIED} ${REFUSED}`)].filter(chip => !chip.closest('.refused'))
  if (now.length) { refused = now; return }
  const uploader = document.querySelector(EMPTIED)
  if (!uploader || !refused.length || refused.some(chip => chip.isConnected)) return
  const said = document.createElement('div')
  said.className = 'refused'
  said.setAttribute('role', 'alert')
  for (const chip of refused.splice(0)) {
    const copy = chip.cloneNode(true)
    copy.querySelectorAll('button').forEach(button => button.remove())
    said.append(copy)
  }
  uploader.append(said)
}

function all(root) {
  if (root.nodeType === Node.TEXT_NODE) { text(root); return }
  if (root.nodeType !== Node.ELEMENT_NODE) return
  element(root)
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT)
  while (walker.nextNode()) walker.currentNode.nodeType === Node.TEXT_NODE ? text(walker.currentNode) : element(walker.currentNode)
}

function changed(records) {
  for (const record of records) {
    if (record.type === 'characterData') text(record.target)
    else if (record.type === 'attributes') element(record.target)
    else record.addedNodes.forEach(all)
  }
  navigation()
  refusals()
}

export default function ({ data }) {
  navigation()
  if (observer && data.language === language) return
  language = data.language
  words = new Map(Object.entries(data.words))
  patterns = data.patterns.map(([source, template]) => [new RegExp(source), template])
  if (!observer) {
    document.addEventListener('click', leaving, true)
    const style = document.createElement('style')
    style.textContent = STYLE
    document.head.append(style)
    observer = new MutationObserver(changed)
    observer.observe(document.body, {
      subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: SAID,
    })
  }
  all(document.body)
}
