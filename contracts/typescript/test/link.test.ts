import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ClosedError, MisconfiguredError, SessionStore, TimedOutError } from '../src/index.js'
import { Relay } from './relay.js'
import { options, sessionOf } from './worker.js'

let relay: Relay
let store: SessionStore
let url: string

beforeEach(async () => {
  relay = new Relay(options().url)
  url = await relay.open()
  store = new SessionStore(options({ url }))
  await store.initialize()
})

afterEach(async () => {
  await store.shutdown()
  await relay.close().catch(() => undefined)
})

test.each(['stored', 'queued'] as const)(
  '%s writes and reads in flight outlive lost connections',
  async (durability) => {
    const playerId = randomUUID()
    const player = new SessionStore(options({ url, durability }))
    await player.initialize()
    const cuts = setInterval(() => relay.cut(), 150)
    const ids = Array.from({ length: 300 }, (_, number) => `${playerId}_${number}`)
    for (let at = 0; at < ids.length; at += 30) {
      const some = ids.slice(at, at + 30)
      await Promise.all(some.map((id) => player.writeSession({ ...sessionOf(id), playerId })))
      await Promise.all(some.map(async (id) => expect((await player.readSession(id))?.sessionId).toBe(id)))
    }
    clearInterval(cuts)
    expect(await player.countSessions({ playerId })).toBe(300)
    await player.shutdown()
  },
)

test('calls wait for a broker that is away', async () => {
  await relay.close()
  const writing = store.writeSession(sessionOf(randomUUID()))
  await new Promise((resolve) => setTimeout(resolve, 300))
  await relay.open()
  await writing
})

test('a write that nobody answers times out, and the same event again is applied once', async () => {
  const hasty = new SessionStore(options({ url, timeoutMs: 500 }))
  await hasty.initialize()
  const session = sessionOf(randomUUID())
  relay.hang()
  const failed = await hasty.writeSession(session).catch((error: unknown) => error)
  await hasty.shutdown()
  expect(failed).toBeInstanceOf(TimedOutError)
  const { eventId = '', revision = 0 } = failed as TimedOutError
  const sober = new SessionStore(options())
  await sober.initialize()
  expect((await sober.write(session, { eventId, revision })).outcome).toBe('stored')
  expect((await sober.write(session, { eventId, revision })).outcome).toBe('stored')
  expect((await sober.read(session.sessionId))?.revision).toBe(revision)
  await sober.shutdown()
})

test('initialize fails by its deadline where nobody answers, and leaves nothing open', async () => {
  await relay.close()
  const hasty = new SessionStore(options({ url, timeoutMs: 300 }))
  await expect(hasty.initialize()).rejects.toThrow(TimedOutError)
  await expect(hasty.readSession('any')).rejects.toThrow(ClosedError)
  expect(await hasty.healthCheck()).toBe(false)
})

test('calls in flight at a shutdown say so at once, and so do later ones', async () => {
  relay.hang()
  const queued = new SessionStore(options({ url, durability: 'queued' }))
  await queued.initialize()
  relay.hang()
  const calls = [
    store.readSession('any'),
    store.writeSession(sessionOf('any')),
    queued.writeSession(sessionOf('any')),
  ]
  const failures = Promise.all(calls.map((call) => call.catch((error: unknown) => error)))
  await Promise.all([store.shutdown(), queued.shutdown()])
  for (const failure of await failures) expect(failure).toBeInstanceOf(ClosedError)
  await expect(store.countSessions({})).rejects.toThrow(ClosedError)
})

test('a shutdown leaves no socket and no timer of a broker that says nothing any more', async () => {
  const held = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length
  const before = held()
  const silent = new SessionStore(options({ url }))
  await silent.initialize()
  expect(held()).toBe(before + 3) // two of them are the relay's
  relay.hang()
  const reading = silent.readSession('any').catch((error: unknown) => error)
  await silent.shutdown()
  expect(await reading).toBeInstanceOf(ClosedError)
  await vi.waitFor(() => expect(held()).toBe(before + 2))
})

test('of several hosts the first that answers is taken', async () => {
  const { host } = new URL(url)
  const several = url.replace(host, `127.0.0.1:1,${host}`)
  const clustered = new SessionStore(options({ url: several }))
  await clustered.initialize()
  expect(await clustered.healthCheck()).toBe(true)
  await clustered.shutdown()
  expect(() => new SessionStore(options({ url: 'amqp://one,two:port/' }))).toThrow(MisconfiguredError)
})

test('a store can be initialized again after a shutdown', async () => {
  await store.shutdown()
  await store.shutdown()
  await store.initialize()
  expect(await store.healthCheck()).toBe(true)
})

test('a wrong password is said so', async () => {
  const refused = new URL(options().url)
  refused.password = 'wrong'
  await expect(new SessionStore(options({ url: refused.href })).initialize()).rejects.toThrow(MisconfiguredError)
})

test('a call that found no connection says why', async () => {
  const nowhere = new URL(options().url)
  nowhere.pathname = '/nowhere'
  const lost = new SessionStore(options({ url: nowhere.href, timeoutMs: 1_000 }))
  const failed = await lost.initialize().catch((error: unknown) => error)
  expect(failed).toBeInstanceOf(TimedOutError)
  expect((failed as TimedOutError).cause).toBeInstanceOf(Error)
})

test('a missing topology is said so', async () => {
  const lost = new SessionStore(options({ prefix: `none${randomUUID()}.` }))
  await expect(lost.initialize()).rejects.toThrow(MisconfiguredError)
})
