// Parses every Mermaid picture of the pages in a directory: `node pictures.mjs DIRECTORY`; exit status 1 and the place of a fault.
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { runInThisContext } from 'node:vm'

import { Window } from 'happy-dom'

const window = new Window()
Object.assign(globalThis, { window, document: window.document, Element: window.Element })
runInThisContext(readFileSync(createRequire(import.meta.url).resolve('@mermaid-js/tiny'), 'utf8'))

const [directory] = process.argv.slice(2)
let parsed = 0
for (const name of readdirSync(directory, { recursive: true }).filter((each) => each.endsWith('.md'))) {
  for (const [, picture] of readFileSync(join(directory, name), 'utf8').matchAll(/^```mermaid\n([\s\S]*?)^```$/gm)) {
    try {
      await globalThis.mermaid.parse(picture)
      parsed += 1
    } catch (error) {
      console.error(`${name}: ${picture.split('\n', 1)}: ${error.message}`)
      process.exitCode = 1
    }
  }
}
console.log(`${parsed} pictures parsed`)
