import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readAddress } from '../src/address.js'
import { MisconfiguredError, SessionStore } from '../src/index.js'
import { RULE } from '../src/urls.js'

interface Vector {
  rest: string
  login: [string | null, string | null]
  hosts: [string, number | null][]
  path: string | null
  options: object
}

const file = new URL('../../url-vectors.json', import.meta.url)
const vectors: { hidden: string; refused: string[]; read: Vector[] } = JSON.parse(readFileSync(file, 'utf8'))

function refusalOf(url: string): Error {
  try {
    new SessionStore({ url })
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error(`${url} was accepted`)
}

test.each(vectors.refused)('a URL with two readings has none and is not repeated: %s', (rest) => {
  const refusal = refusalOf(`amqp://${rest}`)
  expect(refusal).toBeInstanceOf(MisconfiguredError)
  expect(refusal.message).toMatch(/^url /)
  expect(refusal.message + String(refusal.cause)).not.toContain(vectors.hidden)
})

test.each(['1#secret@h/', 'secret?x@h/', '1?a=secret@h/', 'secret/x@h/'])('the refusal is the rule: %s', (rest) => {
  expect(refusalOf(`amqp://u:${rest}`).message).toBe(`url ${RULE}`)
})

test.each(vectors.read)('every other URL has one reading: $rest', ({ rest, path, hosts, options, login }) => {
  const { scheme, ...found } = readAddress(`amqps://${rest}`)
  expect(scheme).toBe('amqps')
  expect(found).toEqual({
    user: login[0] ?? undefined,
    password: login[1] ?? undefined,
    hosts: hosts.map(([hostname, port]) => (port === null ? { hostname } : { hostname, port })),
    vhost: path ?? undefined,
    options: new Map(Object.entries(options)),
  })
})

test.each(['http://one/', 'localhost:5672', 'amqp://', 'amqp://u:p@/v', ''])('no URL of a broker: %s', (url) => {
  expect(refusalOf(url)).toBeInstanceOf(MisconfiguredError)
})

test.each(['cafile', 'certfile', 'keyfile'])('a missing %s is named', async (name) => {
  const place = join(tmpdir(), 'there-is-no-such-file.pem')
  const store = new SessionStore({
    url: `amqps://u:${vectors.hidden}@127.0.0.1:1/?${name}=${place}`,
    timeoutMs: 1_000,
  })
  const failed = await store.initialize().catch((error: unknown) => error)
  expect(failed).toBeInstanceOf(MisconfiguredError)
  expect(String(failed)).toContain(`${name} of the url cannot be read: ENOENT`)
  expect(String(failed)).toContain(place)
  expect(String(failed)).not.toContain(vectors.hidden)
})
