import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  ClosedError,
  CollisionError,
  ConflictError,
  type Filter,
  NotFoundError,
  type ProviderQueryOptions,
  RejectedError,
  type Session,
  SessionStore,
} from '../src/index.js'
import { options } from './worker.js'

interface Step {
  call: string
  id: string
  ids: string[]
  session: Session | null
  expectedRevision?: number
  filter: Filter
  options?: ProviderQueryOptions
  playerId: string
  by: 'update' | 'live'
  names: string[]
  times: number
  [expected: string]: unknown
}

const file = new URL('../../../tests/conformance/cases.json', import.meta.url)
const cases: { name: string; steps: Step[] }[] = JSON.parse(readFileSync(file, 'utf8'))

test('an erased player is gone and may come back', async () => {
  const store = new SessionStore(options())
  await store.initialize()
  const [sessionId, playerId] = [randomUUID(), randomUUID()]
  const session = { sessionId, playerId, encounter: {}, state: {}, startedAt: '2025-11-07T10:30:00.000Z' }
  const { revision } = await store.write(session)
  const receipt = await store.erasePlayer(playerId)
  expect([receipt.sessions, receipt.remainingSessions, receipt.laterSessions]).toEqual([1, 0, 0])
  expect(await store.readSession(sessionId)).toBeNull()
  expect((await store.write(session, { revision: revision + 1 })).outcome).toBe('superseded')
  expect((await store.write(session)).outcome).toBe('stored')
  expect((await store.erasePlayer(playerId, { revision: 1 })).laterSessions).toBe(1)
  await expect(store.erasePlayer(playerId, { revision: 0 })).rejects.toBeInstanceOf(RejectedError)
  await store.shutdown()
})

/** What came of a write, in the words of the cases. */
async function write(store: SessionStore, step: Step): Promise<object> {
  const { expectedRevision } = step
  try {
    const options = expectedRevision === undefined ? {} : { expectedRevision }
    return { outcome: (await store.write(step.session as Session, options)).outcome }
  } catch (error) {
    if (error instanceof ConflictError) return { conflict: error.record?.session ?? null }
    if (error instanceof RejectedError) return { rejected: error.code, ...('says' in step && { says: error.reason }) }
    throw error
  }
}

async function iterate(store: SessionStore, step: Step): Promise<string[]> {
  const ids: string[] = []
  for await (const record of store.iterate(step.filter, step.options)) ids.push(record.session.sessionId)
  return ids
}

async function query(store: SessionStore, step: Step): Promise<string[]> {
  return (await store.querySessions(step.filter as object, step.options)).map((session) => session.sessionId)
}

async function readMany(store: SessionStore, step: Step): Promise<(Session | null)[]> {
  return (await store.readMany(step.ids)).map((record) => record?.session ?? null)
}

type Change = (session: Session) => void

/** Changes a session by `update`, or as a handler of an engine: read, change in place, write. */
async function change(store: SessionStore, { by, id }: Step, edit: Change): Promise<void> {
  if (by === 'update') {
    await store.update(id, edit)
    return
  }
  const session = await store.readSession(id)
  if (!session) throw new NotFoundError(id)
  edit(session)
  await store.writeSession(session)
}

function moves(store: SessionStore, step: Step): Promise<void>[] {
  return step.names.map((name) =>
    change(store, step, ({ state }) => {
      state.count = (state.count as number) + 1
      state[name] = true
    }),
  )
}

class AlreadyCompleted extends Error {}

/** How many calls were told that they succeeded; each of the others must have thrown one of these errors. */
async function told(calls: Promise<void>[], ...others: (new (...given: never[]) => Error)[]): Promise<number> {
  const results = await Promise.allSettled(calls)
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
  expect(reasons.filter((reason) => !others.some((other) => reason instanceof other))).toEqual([])
  return results.length - reasons.length
}

async function completed(store: SessionStore, step: Step): Promise<number> {
  const complete: Change = (session) => {
    if (session.completedAt) throw new AlreadyCompleted()
    session.completedAt = '2025-11-07T11:00:00.000Z'
  }
  return told(
    Array.from({ length: step.times }, () => change(store, step, complete)),
    AlreadyCompleted,
  )
}

/** A session that a caller was told to be deleted is gone; otherwise it holds every move that was told. */
async function deleteAmid(store: SessionStore, step: Step): Promise<object> {
  const [existed, count] = await Promise.all([
    store.deleteSession(step.id),
    told(moves(store, step), NotFoundError, CollisionError),
  ])
  const session = await store.readSession(step.id)
  expect(session === null).toBe(existed)
  if (session) expect(session.state.count).toBe(count)
  return {}
}

/** What a call gives, in the words of the cases; a closed client must say so whatever it is asked. */
async function take(store: SessionStore, step: Step): Promise<object> {
  if (!step.closed) return answer(store, step)
  expect(await store.healthCheck()).toBe(false)
  return answer(store, step).catch((error: unknown) => ({ closed: error instanceof ClosedError }))
}

async function answer(store: SessionStore, step: Step): Promise<object> {
  switch (step.call) {
    case 'write':
      return write(store, step)
    case 'read':
      return { session: await store.readSession(step.id) }
    case 'readMany':
      return { sessions: await readMany(store, step) }
    case 'delete':
      return { existed: await store.deleteSession(step.id) }
    case 'query':
      return { ids: await query(store, step) }
    case 'iterate':
      return { ids: await iterate(store, step) }
    case 'count':
      return { count: await store.countSessions(step.filter as object) }
    case 'stats':
      return { stats: await store.stats(step.playerId) }
    case 'health':
      return { ok: step.closed ? (await store.health()).ok : await store.healthCheck() }
    case 'moves':
      return { told: (await Promise.all(moves(store, step))).length }
    case 'complete':
      return { told: await completed(store, step) }
    case 'deleteAmid':
      return deleteAmid(store, step)
    case 'close':
      await store.shutdown()
      return {}
    default:
      throw new Error(`no such call: ${step.call}`)
  }
}

function expectation(step: Step): object {
  if (step.closed) return { closed: true }
  const answers: { [call: string]: string[] } = {
    write: ['outcome', 'conflict', 'rejected', 'says'],
    read: ['session'],
    readMany: ['sessions'],
    delete: ['existed'],
    query: ['ids'],
    iterate: ['ids'],
    moves: ['told'],
    complete: ['told'],
    deleteAmid: [],
  }
  const all = answers[step.call] ?? ['count', 'stats', 'ok']
  return Object.fromEntries(all.filter((word) => word in step).map((word) => [word, step[word]]))
}

test.each(cases)('$name', async ({ steps }) => {
  const store = new SessionStore(options())
  await store.initialize()
  const mine: Step[] = JSON.parse(JSON.stringify(steps).replaceAll('{run}', randomUUID()))
  for (const step of mine) expect(await take(store, step), JSON.stringify(step)).toEqual(expectation(step))
  await store.shutdown()
})

const refused = cases.flatMap(({ steps }) => steps.filter((step) => 'rejected' in step))

test.each(refused)('a write nobody waits for is rejected here, in the same words: %j', async (step) => {
  const store = new SessionStore(options({ durability: 'queued' }))
  expect(await write(store, step)).toEqual(expectation(step))
})
