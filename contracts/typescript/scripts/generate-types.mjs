// Writes src/messages.ts from the committed JSON Schemas; with --check compares and exits 1 when it differs.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { compile } from 'json-schema-to-typescript'

const schemas = new URL('../../schemas/', import.meta.url)
const target = new URL('../src/messages.ts', import.meta.url)
const wanted = [
  'session.json',
  'record.json',
  'change.json',
  'confirmation.json',
  'error.json',
  'session.query.params.json',
  'session.stats.result.json',
  'health.check.result.json',
]
const style = { semi: false, singleQuote: true, printWidth: 110 }

/** Keeps the first declaration of each name: the schemas repeat the types they share. */
function withoutRepeats(text) {
  const seen = new Set()
  const declarations = text.split(/\n(?=(?:\/\*\*|export ))/)
  let comment = ''
  const kept = []
  for (const part of declarations) {
    if (part.startsWith('/**') && !part.includes('export ')) {
      comment += `${part}\n`
      continue
    }
    const name = part.match(/export (?:interface|type) (\w+)/)?.[1]
    if (name === undefined || !seen.has(name)) kept.push(comment + part)
    if (name !== undefined) seen.add(name)
    comment = ''
  }
  return kept.join('\n')
}

async function generate() {
  const present = await readdir(schemas)
  const parts = []
  for (const name of wanted) {
    if (!present.includes(name)) throw new Error(`contracts/schemas/${name} is missing`)
    const schema = JSON.parse(await readFile(new URL(name, schemas), 'utf8'))
    parts.push(await compile(schema, schema.title, { bannerComment: '', unknownAny: true, style, strictIndexSignatures: false }))
  }
  const banner = '// Generated from contracts/schemas by scripts/generate-types.mjs. Do not edit.\n\n'
  return banner + withoutRepeats(parts.join('\n')).replace(/\n{3,}/g, '\n\n')
}

const text = await generate()
if (process.argv.includes('--check')) {
  if ((await readFile(target, 'utf8')) !== text) {
    console.error('src/messages.ts differs from contracts/schemas; run: npm run generate')
    process.exit(1)
  }
} else {
  await writeFile(target, text)
}
