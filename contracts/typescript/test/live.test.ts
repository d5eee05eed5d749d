import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { HybridClock } from '../src/clock.js'
import type { OnConflict } from '../src/conflicts.js'
import { CollisionError, ConflictError, NotFoundError, RejectedError, TimedOutError } from '../src/errors.js'
import { LiveSessions } from '../src/live.js'
import type { WriteOptions } from '../src/options.js'
import { SessionQueues } from '../src/queues.js'
import type { SessionReader } from '../src/reader.js'
import type { StoredRecord, WriteResult } from '../src/replies.js'
import { SessionUpdater } from '../src/updater.js'
import type { SessionWriter } from '../src/writer.js'

interface Game {
  sessionId: string
  state: { done: string[]; gold: number; title?: string }
  completedAt: string | null
}

type Fault = 'lost reply' | 'lost event' | 'rejected'

/** What a worker stores, shared by the engines of a test. Each call takes a turn of the event loop. */
class Table {
  readonly rows = new Map<string, { revision: number; text: string }>()
  writes = 0
  faults: Fault[] = []

  record(sessionId: string): StoredRecord<Game> | null {
    const row = this.rows.get(sessionId)
    return row ? { session: JSON.parse(row.text), revision: row.revision, createdAt: '', updatedAt: '' } : null
  }

  async read(sessionId: string): Promise<StoredRecord<Game> | null> {
    const record = this.record(sessionId)
    await sleep(1)
    return record
  }

  async write(session: Game, { expectedRevision, ...options }: WriteOptions): Promise<WriteResult> {
    const { sessionId } = session
    const text = JSON.stringify(session)
    this.writes += 1
    await sleep(1)
    const fault = this.faults.shift()
    if (fault === 'rejected') throw new RejectedError('bad_schema', 'a fault of the test')
    if (fault === 'lost event') throw new TimedOutError('write')
    const row = this.rows.get(sessionId)
    if (expectedRevision !== undefined && expectedRevision !== (row?.revision ?? 0)) {
      throw new ConflictError<Game>(sessionId, expectedRevision, this.record(sessionId))
    }
    const revision = options.revision ?? (row?.revision ?? 0) + 1
    this.rows.set(sessionId, { revision, text })
    await sleep(1)
    if (fault === 'lost reply') throw new TimedOutError('write')
    return { eventId: '', revision, outcome: 'stored' }
  }

  async delete(sessionId: string): Promise<WriteResult> {
    await sleep(1)
    return { eventId: '', revision: 0, outcome: this.rows.delete(sessionId) ? 'deleted' : 'absent' }
  }
}

interface Engine {
  live: LiveSessions<Game>
  updater: SessionUpdater<Game>
}

function engine(table: Table, onConflict: OnConflict<Game> = 'merge'): Engine {
  const clock = new HybridClock()
  const reader = {
    read: async (id: string) => {
      const record = await table.read(id)
      if (record) clock.observe(id, record.revision)
      return record
    },
  } as unknown as SessionReader<Game>
  const writer = table as unknown as SessionWriter<Game>
  const queues = new SessionQueues()
  const live = new LiveSessions({ reader, writer, clock, queues, onConflict, isQueued: false })
  return { live, updater: new SessionUpdater(reader, writer, queues) }
}

const until = () => performance.now() + 5_000

function game(sessionId = 's'): Game {
  return { sessionId, state: { done: [], gold: 0 }, completedAt: null }
}

async function created(table: Table, one: Engine): Promise<void> {
  await one.live.write(game(), until())
  expect(table.record('s')?.session).toEqual(game())
}

/** A handler of the engine: it reads, changes in place and writes. */
async function play({ live }: Engine, change: (session: Game) => void): Promise<Game> {
  const session = await live.read('s', until())
  if (!session) throw new Error('no session')
  change(session)
  await live.write(session, until())
  return session
}

test('overlapping handlers of one engine share an object and lose nothing', async () => {
  const table = new Table()
  const one = engine(table)
  await created(table, one)
  const moves = ['a', 'b', 'c', 'd']
  const sessions = await Promise.all(moves.map((move) => play(one, ({ state }) => state.done.push(move))))
  expect(new Set(sessions).size).toBe(1)
  expect([...(table.record('s')?.session.state.done ?? [])].sort()).toEqual(moves)
})

test('writes of one object that wait are one write', async () => {
  const table = new Table()
  const one = engine(table)
  await created(table, one)
  await Promise.all(Array.from({ length: 50 }, () => play(one, ({ state }) => (state.gold += 1))))
  expect(table.record('s')?.session.state.gold).toBe(50)
  expect(table.writes).toBeLessThan(10)
})

test('moves of two engines in different places both count', async () => {
  const table = new Table()
  const [one, two] = [engine(table), engine(table)]
  await created(table, one)
  for (let round = 0; round < 20; round += 1) {
    await Promise.all([
      play(one, ({ state }) => state.done.push(`one ${round}`)),
      play(two, ({ state }) => state.done.push(`two ${round}`)),
      play(one, (session) => (session.state.title = `round ${round}`)),
    ])
  }
  const { done, title } = table.record('s')?.session.state ?? { done: [] }
  expect([done.length, new Set(done).size, title]).toEqual([40, 40, 'round 19'])
})

test('a change that collides is an error to one engine, with the three states', async () => {
  const table = new Table()
  const [one, two] = [engine(table), engine(table)]
  await created(table, one)
  const results = await Promise.allSettled([one, two].map((each) => play(each, ({ state }) => (state.gold += 1))))
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
  expect(errors).toHaveLength(1)
  expect(errors[0]).toBeInstanceOf(CollisionError)
  expect(errors[0]).toMatchObject({
    collisions: ['/state/gold'],
    states: { base: game(), mine: { state: { gold: 1 } } },
  })
  expect(table.record('s')?.session.state.gold).toBe(1)
  await play(one, ({ state }) => (state.gold += 1)) // whoever reads again has the stored state
  await play(two, ({ state }) => (state.gold += 1))
  expect(table.record('s')?.session.state.gold).toBe(3)
})

test('after a merge the object keeps its own changes, and a new reader gets the merged state', async () => {
  const table = new Table()
  const [one, two] = [engine(table), engine(table)]
  await created(table, one)
  const mine = await one.live.read('s', until())
  if (!mine) throw new Error('no session')
  await play(two, ({ state }) => state.done.push('two'))
  mine.state.title = 'mine'
  await one.live.write(mine, until())
  mine.state.gold = 7
  await one.live.write(mine, until())
  expect(table.record('s')?.session.state).toEqual({ done: ['two'], gold: 7, title: 'mine' })
  const other = await one.live.read('s', until())
  expect(other).not.toBe(mine)
  expect(other?.state).toEqual({ done: ['two'], gold: 7, title: 'mine' })
})

test('appended items of two engines stay in the order in which they were stored', async () => {
  const table = new Table()
  const [one, two] = [engine(table), engine(table)]
  await created(table, one)
  const mine = await one.live.read('s', until())
  if (!mine) throw new Error('no session')
  for (const round of [1, 2, 3]) {
    await play(two, ({ state }) => state.done.push(`two ${round}`))
    mine.state.done.push(`one ${round}`)
    await one.live.write(mine, until())
  }
  expect(table.record('s')?.session.state.done).toEqual(['two 1', 'one 1', 'two 2', 'one 2', 'two 3', 'one 3'])
})

test('a write that meets several others in a row is merged with each', async () => {
  const table = new Table()
  const engines = [engine(table), engine(table), engine(table), engine(table)]
  await created(table, engines[0] as Engine)
  const sessions = await Promise.all(engines.map(({ live }) => live.read('s', until())))
  await Promise.all(
    engines.map(({ live }, number) => {
      const session = sessions[number]
      if (!session) throw new Error('no session')
      session.state.done.push(`engine ${number}`)
      return live.write(session, until())
    }),
  )
  expect([...(table.record('s')?.session.state.done ?? [])].sort()).toEqual(
    [0, 1, 2, 3].map((each) => `engine ${each}`),
  )
})

test('a write whose confirmation was lost does not collide with itself', async () => {
  const table = new Table()
  const [one, two] = [engine(table), engine(table)]
  await created(table, one)
  table.faults = ['lost reply']
  const session = await one.live.read('s', until())
  if (!session) throw new Error('no session')
  session.state.gold += 1
  await expect(one.live.write(session, until())).rejects.toBeInstanceOf(TimedOutError)
  session.state.gold += 1
  await one.live.write(session, until())
  expect(table.record('s')?.session.state.gold).toBe(2)
  await play(two, ({ state }) => (state.gold += 1))
  expect(table.record('s')?.session.state.gold).toBe(3)
})

test('a state that could not be stored is not handed to the next reader', async () => {
  const table = new Table()
  const one = engine(table)
  await created(table, one)
  for (const fault of ['rejected', 'lost event'] as const) {
    table.faults = [fault]
    await expect(play(one, ({ state }) => (state.title = fault))).rejects.toThrow()
    expect((await one.live.read('s', until()))?.state.title).toBeUndefined()
  }
})

test('a session that another engine deleted reads as null, and a held object is not written back', async () => {
  const table = new Table()
  const [one, two] = [engine(table), engine(table)]
  await created(table, one)
  const held = await one.live.read('s', until())
  expect(await two.live.delete('s', until())).toBe(true)
  expect(await one.live.read('s', until())).toBeNull()
  if (!held) throw new Error('no session')
  held.state.gold = 1
  await expect(one.live.write(held, until())).rejects.toMatchObject({ states: { theirs: null } })
  expect(table.record('s')).toBeNull()
})

test('a read that overlaps the creation gives the object that is created', async () => {
  const table = new Table()
  const one = engine(table)
  const session = game()
  const [read] = await Promise.all([one.live.read('s', until()), one.live.write(session, until())])
  expect(read).toBe(session)
})

test('a conflict is thrown, or solved by a function, where the option says so', async () => {
  const table = new Table()
  const throwing = engine(table, 'throw')
  await created(table, throwing)
  const greatest = engine(table, ({ mine, theirs }) =>
    mine.state.gold > (theirs?.state.gold ?? 0) ? mine : (theirs ?? mine),
  )
  const [held, other] = [await throwing.live.read('s', until()), await greatest.live.read('s', until())]
  await play(engine(table), ({ state }) => (state.gold = 5))
  if (!held || !other) throw new Error('no session')
  other.state.gold = 3
  await greatest.live.write(other, until())
  held.state.title = 'mine'
  await expect(throwing.live.write(held, until())).rejects.toBeInstanceOf(CollisionError)
  expect(table.record('s')?.session.state).toEqual({ done: [], gold: 5 })
})

test('updates of many engines all count, however often they meet', async () => {
  const table = new Table()
  const engines = [engine(table), engine(table), engine(table)]
  await created(table, engines[0] as Engine)
  const add = ({ updater }: Engine) =>
    updater.update(
      's',
      (session) => ({ ...session, state: { ...session?.state, gold: 1 + (session?.state.gold ?? 0) } }) as Game,
      'refuse',
      until(),
    )
  await Promise.all(engines.flatMap((each) => [add(each), add(each), add(each), add(each)]))
  expect(table.record('s')?.session.state.gold).toBe(12)
})

test('an update refuses or creates a missing session, and passes on what the change throws', async () => {
  const table = new Table()
  const { updater } = engine(table)
  await expect(updater.update('s', () => undefined, 'refuse', until())).rejects.toBeInstanceOf(NotFoundError)
  await expect(updater.update('s', () => undefined, 'create', until())).rejects.toThrow('must return the session')
  expect((await updater.update('s', (none) => none ?? game(), 'create', until())).session).toEqual(game())
  await expect(updater.update('s', () => game('other'), 'refuse', until())).rejects.toThrow('must return the session')
  const failing = updater.update('s', () => Promise.reject(new RangeError('no')), 'refuse', until())
  await expect(failing).rejects.toBeInstanceOf(RangeError)
  const writes = table.writes
  await updater.update('s', () => undefined, 'refuse', until())
  expect(table.writes).toBe(writes)
})

test('reads keep nothing once nobody holds the sessions', async () => {
  if (!globalThis.gc) throw new Error('run node with --expose-gc')
  const table = new Table()
  const { live } = engine(table)
  for (let number = 0; number < 2_000; number += 1)
    table.rows.set(`${number}`, { revision: 1, text: JSON.stringify(game(`${number}`)) })
  await Promise.all([...table.rows.keys()].map((id) => live.read(id, until())))
  expect(live.size).toBe(2_000)
  for (let round = 0; round < 50 && live.size > 0; round += 1) {
    globalThis.gc()
    await sleep(10)
  }
  expect(live.size).toBe(0)
})
