import { randomUUID } from 'node:crypto'
import { connect } from 'amqplib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NewestSeen } from '../src/changes.js'
import { type Change, ClosedError, type Gap, MisconfiguredError, SessionStore } from '../src/index.js'
import { changeContent, Keyring } from '../src/signing.js'
import { SIGNATURE_HEADER } from '../src/topology.js'
import { Relay } from './relay.js'
import { options, sessionOf } from './worker.js'

type Changes = AsyncGenerator<Change | Gap>

const GAP = { type: 'gap' }
let store: SessionStore
let followed: Changes[]

beforeEach(async () => {
  store = new SessionStore(options())
  await store.initialize()
  followed = []
})

afterEach(async () => {
  for (const changes of followed) await changes.return(undefined)
  await store.shutdown()
})

/** Begins to follow, and returns what comes behind the first gap. */
async function follow(from: SessionStore = store, wanted = {}): Promise<Changes> {
  const changes = from.changes(wanted)
  followed.push(changes)
  expect((await changes.next()).value).toEqual(GAP)
  return changes
}

/** Resolves with the next of these sessions' changes; other tests write at the same time. */
async function next(changes: Changes, ...ids: string[]): Promise<Change> {
  for (;;) {
    const { value } = await changes.next()
    if (value.type !== 'gap' && ids.includes(value.subject)) return value
  }
}

async function tell(subject: string, revision: unknown, keys = options().keys ?? ''): Promise<void> {
  const model = await connect(options().url)
  const channel = await model.createConfirmChannel()
  const [id, type, exchange] = [randomUUID(), 'session.deleted', `${options().prefix}sessions.changes`]
  const body = Buffer.from(
    JSON.stringify({ specversion: '1.0', id, source: 'test', type, subject, data: { revision } }),
  )
  const sign = () => ({ [SIGNATURE_HEADER]: new Keyring(keys).sign(changeContent(exchange, type, body)) })
  channel.publish(exchange, type, body, { headers: keys ? sign() : {} })
  await channel.waitForConfirms()
  await model.close()
}

async function remove(queue: string): Promise<void> {
  const model = await connect(options().url)
  await (await model.createChannel()).deleteQueue(queue)
  await model.close()
}

test('what is committed is told as it is read', async () => {
  const changes = await follow()
  const session = { ...sessionOf(randomUUID(), { long: 9007199254740993n }), plugin: { kept: [1, 2.5, null] } }
  const { eventId, revision } = await store.write(session)
  const stored = await next(changes, session.sessionId)
  expect(stored).toMatchObject({ type: 'session.stored', id: eventId, data: { revision, session } })
  expect(stored).toMatchObject({ data: { session: await store.readSession(session.sessionId) } })
  await store.deleteSession(session.sessionId)
  expect((await next(changes, session.sessionId)).type).toBe('session.deleted')
})

test('what comes late is dropped, for its own session alone', async () => {
  const [a, b] = [randomUUID(), randomUUID()]
  const changes = await follow()
  for (const [id, revision] of [
    [a, 11],
    [a, 10],
    [b, 10],
    [a, 'none'],
    [a, 12],
  ] as const)
    await tell(id, revision)
  const told = [await next(changes, a, b), await next(changes, a, b), await next(changes, a, b)]
  expect(told.map(({ subject, data }) => [subject, data.revision])).toEqual([
    [a, 11],
    [b, 10],
    [a, 12],
  ])
})

test.runIf(options().keys)('a change that none of our keys has signed is passed over', async () => {
  const id = randomUUID()
  const changes = await follow()
  await tell(id, 2 ** 52, '')
  await tell(id, 2 ** 52, `${options().keys?.split(':')[0]}:${'another secret'.replaceAll(' ', '-').repeat(3)}`)
  await store.writeSession(sessionOf(id))
  expect((await next(changes, id)).type).toBe('session.stored')
})

test('of equal revisions the greater id is newer, and of all sessions the last ones are remembered', () => {
  const newest = new NewestSeen(2)
  const change = (subject: string, revision: number, id: string) =>
    ({ specversion: '1.0', source: 'test', type: 'session.deleted', subject, id, data: { revision } }) as Change
  expect(newest.advance(change('a', 5, '0B'))).toBe(true)
  expect(newest.advance(change('a', 5, '0a'))).toBe(false)
  expect(newest.advance(change('a', 5, '0c'))).toBe(true)
  expect(newest.advance(change('b', 1, '01'))).toBe(true)
  expect(newest.advance(change('a', 6, '01'))).toBe(true)
  expect(newest.advance(change('c', 1, '01'))).toBe(true)
  expect(newest.advance(change('a', 6, '01'))).toBe(false)
  expect(newest.advance(change('b', 1, '01'))).toBe(true)
})

test('only the kind asked for is told', async () => {
  const id = randomUUID()
  const changes = await follow(store, { kinds: ['session.deleted'] })
  await store.writeSession(sessionOf(id))
  await store.deleteSession(id)
  expect((await next(changes, id)).type).toBe('session.deleted')
})

test('a lost connection is a gap, and what follows it is told', async () => {
  const relay = new Relay(options().url)
  const far = new SessionStore(options({ url: await relay.open() }))
  const changes = await follow(far)
  relay.cut()
  for (let told = await changes.next(); told.value.type !== 'gap'; told = await changes.next());
  const id = randomUUID()
  await store.writeSession(sessionOf(id))
  expect((await next(changes, id)).subject).toBe(id)
  await changes.return(undefined)
  await relay.close()
})

test('a new named queue whose connection ends soon is a gap', async () => {
  const queue = `${options().prefix}${randomUUID()}`
  const relay = new Relay(options().url)
  const far = new SessionStore(options({ url: await relay.open() }))
  const changes = await follow(far, { queue })
  relay.cut()
  for (let told = await changes.next(); told.value.type !== 'gap'; told = await changes.next());
  await changes.return(undefined)
  await far.shutdown()
  await relay.close()
  await remove(queue)
})

test('a named queue keeps what comes while nobody follows, and one that was deleted is a gap', async () => {
  const queue = `${options().prefix}${randomUUID()}`
  const [first, second] = [randomUUID(), randomUUID()]
  const changes = await follow(store, { queue })
  await store.writeSession(sessionOf(first))
  await next(changes, first) // taken and not finished: it comes again
  await changes.return(undefined)
  await store.writeSession(sessionOf(second))
  const again = store.changes({ queue })
  followed.push(again)
  expect((await next(again, first, second)).subject).toBe(first)
  expect((await next(again, first, second)).subject).toBe(second)
  const waiting = again.next()
  await remove(queue)
  let told = await waiting
  while (told.value.type !== 'gap') told = await again.next()
  await again.return(undefined)
  await remove(queue)
})

test('a follower that ends again and again is told everything in the end', async () => {
  const queue = `${options().prefix}${randomUUID()}`
  const ids = [randomUUID(), randomUUID()]
  const changes = await follow(store, { queue })
  for (const id of ids) await store.writeSession(sessionOf(id))
  await next(changes, ...ids)
  await changes.return(undefined)
  for (let end = 0; end < 30; end++) {
    const again = store.changes({ queue })
    await next(again, ...ids) // taken and not finished, and the others with it
    await again.return(undefined)
  }
  const last = store.changes({ queue })
  const told = [await next(last, ...ids), await next(last, ...ids)]
  expect(told.map(({ subject }) => subject).sort()).toEqual(ids.sort())
  await last.return(undefined)
  await remove(queue)
})

test('who follows is told of the shutdown, and may follow again after initialize', async () => {
  const changes = await follow()
  const waiting = changes.next().then(async () => {
    for (;;) await changes.next()
  })
  const told = expect(waiting).rejects.toThrow(ClosedError)
  await store.shutdown()
  await told
  await expect(store.changes().next()).rejects.toThrow(ClosedError)
  await store.initialize()
  await follow()
})

test('a queue of that name that is of another kind is said so', async () => {
  const queue = `${options().prefix}${randomUUID()}`
  const model = await connect(options().url)
  await (await model.createChannel()).assertQueue(queue, { exclusive: false, durable: true })
  await expect(store.changes({ queue }).next()).rejects.toThrow(MisconfiguredError)
  await model.close()
  await remove(queue)
})

test('a missing exchange is said so', async () => {
  const lost = new SessionStore(options({ prefix: `none${randomUUID()}.` }))
  await expect(lost.changes().next()).rejects.toThrow(MisconfiguredError)
})
