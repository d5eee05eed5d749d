import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { MisconfiguredError, ReplyUnverifiedError, SessionStore, SignatureRefusedError } from '../src/index.js'
import { Keyring, type Signed } from '../src/signing.js'
import { options } from './worker.js'

interface Vector extends Omit<Signed, 'body'> {
  name: string
  keys: string
  time: number
  body: string
  header: string
  fault: string | null
}

const LONG = 's3cr3t'.repeat(8)
const file = new URL('../../signatures.json', import.meta.url)
const vectors: Vector[] = JSON.parse(readFileSync(file, 'utf8'))
const enforcing = process.env.SESSION_STORE_SIGNATURES === 'enforce'

test.each(vectors.map((vector) => [vector.name, vector] as const))('%s is judged as the table says', (_, vector) => {
  const keyring = new Keyring(vector.keys)
  const content = { ...vector, body: Buffer.from(vector.body) }
  expect(keyring.findFault(vector.header, content) ?? null).toBe(vector.fault)
  const [, id] = vector.header.split(';')
  if (vector.fault === null && vector.keys.startsWith(`${id}:`)) {
    expect(keyring.sign(content, vector.time)).toBe(vector.header)
  }
})

test.each([undefined, null])('a header that is %s is unsigned', (header) => {
  const content = { ...(vectors[0] as Vector), body: Buffer.from('') }
  expect(new Keyring(`k1:${LONG}`).findFault(header, content)).toBe('unsigned')
})

test.each([7, true, Buffer.from('v1'), [], {}, ';'.repeat(100_000)])(
  'a header that is no text is malformed',
  (header) => {
    const content = { ...(vectors[0] as Vector), body: Buffer.from('') }
    expect(new Keyring(`k1:${LONG}`).findFault(header, content)).toBe('malformed')
  },
)

test.each([
  [LONG, 'key 1 must be id:secret'],
  [`k1:${LONG} :${LONG}`, 'key 2 must be id:secret'],
  [`k1:${LONG.slice(0, 31)}`, 'key k1 must have at least 32'],
  [`k1:${LONG} k1:${LONG}`, 'key k1 is there twice'],
])('a wrong key is named without its secret', (keys, said) => {
  expect(() => new SessionStore(options({ keys }))).toThrow(MisconfiguredError)
  expect(() => new SessionStore(options({ keys }))).toThrow(said)
  expect(() => new SessionStore(options({ keys }))).not.toThrow('s3cr3t')
})

test.runIf(enforcing)('a client without keys is told that it is not trusted', async () => {
  const store = new SessionStore(options({ keys: '' }))
  await expect(store.initialize()).rejects.toThrow(SignatureRefusedError)
})

test.runIf(enforcing)('a client with another secret believes no answer', async () => {
  const id = options().keys?.split(':')[0]
  const store = new SessionStore(options({ keys: `${id}:${LONG}`, timeoutMs: 1_000 }))
  await expect(store.initialize()).rejects.toThrow(ReplyUnverifiedError)
})
