import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { HybridClock } from '../src/clock.js'
import type { OnConflict } from '../src/conflicts.js'
import { ConflictError, RejectedError, TimedOutError } from '../src/errors.js'
import { LiveSessions } from '../src/live.js'
import type { WriteOptions } from '../src/options.js'
import { SessionQueues } from '../src/queues.js'
import type { SessionReader } from '../src/reader.js'
import type { StoredRecord, WriteResult } from '../src/replies.js'
import { SessionUpdater } from '../src/updater.js'
import type { SessionWriter } from '../src/writer.js'

export interface Game {
  sessionId: string
  state: { done: string[]; gold: number; title?: string }
  completedAt: string | null
}

type Fault = 'lost reply' | 'lost event' | 'rejected'

/** What a worker stores, shared by the engines of a test. Each call takes a turn of the event loop. */
export class Table {
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

export interface Engine {
  live: LiveSessions<Game>
  updater: SessionUpdater<Game>
}

export function engine(table: Table, onConflict: OnConflict<Game> = 'merge'): Engine {
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

export const until = () => performance.now() + 5_000

export function game(sessionId = 's'): Game {
  return { sessionId, state: { done: [], gold: 0 }, completedAt: null }
}

export async function created(table: Table, one: Engine): Promise<void> {
  await one.live.write(game(), until())
  expect(table.record('s')?.session).toEqual(game())
}

/** A handler of the engine: it reads, changes in place and writes. */
export async function play({ live }: Engine, change: (session: Game) => void): Promise<Game> {
  const session = await live.read('s', until())
  if (!session) throw new Error('no session')
  change(session)
  await live.write(session, until())
  return session
}
