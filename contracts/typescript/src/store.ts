import { randomUUID } from 'node:crypto'
import { HybridClock, RevisionMemory } from './clock.js'
import { ConflictError, RejectedError, TimedOutError, TooLargeError } from './errors.js'
import type { Confirmation, Filter, HealthResult, Outcome, Record, Session, StatsResult } from './messages.js'
import type { IStorageProvider, QueryOptions, SessionFilter } from './provider.js'
import { type Page, Questions } from './questions.js'
import { type Outgoing, Wire } from './wire.js'

const PAGE = 1_000
const MOST_SESSIONS = 10_000
const FURTHEST_OFFSET = 10_000

/** How to reach the store; `durability` says when a write resolves, `timeoutMs` bounds every call. */
export interface SessionStoreOptions {
  url: string
  durability?: 'stored' | 'queued'
  timeoutMs?: number
  prefix?: string
  source?: string
}

/** What a write may add: the revision it must find (0: none), or the event of a call that timed out. */
export interface WriteOptions {
  expectedRevision?: number
  revision?: number
  eventId?: string
}

/** What became of an event; without an outcome only the broker has confirmed it. */
export interface Written {
  eventId: string
  revision: number
  outcome?: Outcome
}

type Kind = 'session.write' | 'session.delete'

/**
 * Sessions through RabbitMQ as if the database were local.
 *
 * With durability `stored` a write resolves when it is committed; with `queued` when the broker has it, and reads of that
 * session then wait for it. It reconnects by itself, and what was in flight is sent again under the same event id.
 */
export class SessionStore implements IStorageProvider {
  readonly name = 'session-store'
  readonly #options: Required<SessionStoreOptions>
  readonly #wire: Wire
  readonly #questions: Questions
  readonly #clock = new HybridClock()
  readonly #queued = new RevisionMemory()

  constructor(options: SessionStoreOptions) {
    this.#options = { durability: 'stored', timeoutMs: 5_000, prefix: '', source: 'engine/typescript', ...options }
    this.#wire = new Wire(this.#options.url, this.#options.prefix)
    this.#questions = new Questions(this.#wire)
  }

  /** Begins to connect and resolves once a worker has answered. */
  async initialize(): Promise<void> {
    this.#wire.open()
    await this.health()
  }

  /** Resolves with a session, or null; never with one from before this client's own last write of it. */
  async readSession(sessionId: string): Promise<Session | null> {
    return (await this.read(sessionId))?.session ?? null
  }

  /** Creates or replaces a session. With `expectedRevision` ConflictError where another revision is stored. */
  async writeSession(session: Session, options: WriteOptions = {}): Promise<void> {
    await this.write(session, options)
  }

  /** Deletes a session and keeps earlier writes out; resolves with whether it was there. */
  async deleteSession(sessionId: string, options: WriteOptions = {}): Promise<boolean> {
    return (await this.#confirm('session.delete', sessionId, {}, options)).outcome === 'deleted'
  }

  /**
   * Resolves with the matches in the order asked: without a limit with all of them.
   * Throws TooLargeError above 10,000 rather than cutting silently.
   */
  async querySessions(filter: SessionFilter, options: QueryOptions = {}): Promise<Session[]> {
    const { limit = Number.POSITIVE_INFINITY, offset = 0, ...order } = options
    if (limit <= 0) return []
    const sessions: Session[] = []
    let left = offset
    const first = { ...order, offset: Math.min(offset, FURTHEST_OFFSET), limit: Math.min(limit, PAGE) }
    for await (const record of this.iterate(filter, first)) {
      if (left > FURTHEST_OFFSET) {
        left -= 1
        continue
      }
      if (sessions.length === MOST_SESSIONS) throw new TooLargeError(`more than ${MOST_SESSIONS} sessions match`)
      sessions.push(record.session)
      if (sessions.length >= limit) break
    }
    return sessions
  }

  /** Resolves with how many sessions match. */
  async countSessions(filter: SessionFilter): Promise<number> {
    return (await this.#questions.ask('session.count', { filter: wireFilter(filter) }, this.#deadline())).count
  }

  /** Resolves with whether a worker answers and reaches its database. */
  async healthCheck(): Promise<boolean> {
    try {
      return (await this.health()).ok
    } catch {
      return false
    }
  }

  /** Leaves the connection closed; later calls throw ClosedError. Twice is fine. */
  async shutdown(): Promise<void> {
    await this.#wire.close()
  }

  /** Resolves with the record of a session: the session, its revision and times. */
  async read(sessionId: string): Promise<Record | null> {
    const minRevision = this.#queued.of(sessionId)
    const params = minRevision ? { sessionId, minRevision } : { sessionId }
    const { record } = await this.#questions.ask('session.read', params, this.#deadline())
    if (record) this.#clock.observe(sessionId, record.revision)
    return record
  }

  /** Resolves with up to 1,000 records in the order asked. */
  async readMany(sessionIds: string[]): Promise<(Record | null)[]> {
    return (await this.#questions.ask('session.readMany', { sessionIds }, this.#deadline())).records
  }

  /** Writes a session and resolves with what became of the event. */
  async write(session: Session, options: WriteOptions = {}): Promise<Written> {
    return this.#send('session.write', session.sessionId, { session }, options, this.#options.durability)
  }

  /** Yields every match, `limit` a page; nothing twice. */
  async *iterate(filter: SessionFilter | Filter, options: QueryOptions = {}): AsyncGenerator<Record> {
    let next: string | null | undefined
    do {
      const { offset, ...order } = { limit: PAGE, ...options }
      const start = next ? { cursor: next } : { ...(offset !== undefined && { offset }) }
      const page: Page = await this.#questions.ask(
        'session.query',
        { filter: wireFilter(filter), options: { ...order, limit: Math.min(order.limit, PAGE), ...start } },
        this.#deadline(),
      )
      yield* page.records
      next = page.nextCursor
    } while (next)
  }

  /** Resolves with the totals of a player, or of everybody. */
  async stats(playerId?: string): Promise<StatsResult> {
    return this.#questions.ask('session.stats', playerId ? { playerId } : {}, this.#deadline())
  }

  /** Resolves with how the worker that answers is. */
  async health(): Promise<HealthResult> {
    return this.#questions.ask('health.check', {}, this.#deadline())
  }

  #confirm(kind: Kind, sessionId: string, content: object, options: WriteOptions): Promise<Written> {
    return this.#send(kind, sessionId, content, options, 'stored')
  }

  async #send(
    kind: Kind,
    sessionId: string,
    content: object,
    options: WriteOptions,
    durability: 'stored' | 'queued',
  ): Promise<Written> {
    const { expectedRevision = null, revision = this.#clock.next(sessionId), eventId = randomUUID() } = options
    const message = this.#event(kind, sessionId, { revision, expectedRevision, ...content }, eventId)
    try {
      if (durability === 'queued' && expectedRevision === null) {
        await this.#wire.publish(message, this.#deadline())
        this.#queued.raiseTo(sessionId, revision)
        return { eventId, revision }
      }
      const told = (await this.#wire.ask(message, this.#deadline())) as Confirmation
      return { eventId, revision, outcome: await this.#judge(told, sessionId, expectedRevision) }
    } catch (error) {
      throw error instanceof TimedOutError ? new TimedOutError(message.what, eventId, revision) : error
    }
  }

  async #judge(told: Confirmation, sessionId: string, expected: number | null): Promise<Outcome> {
    if (told.revision !== null) this.#clock.observe(sessionId, told.revision)
    if (told.code) throw new RejectedError(told.code, told.message ?? '')
    const outcome = told.first ?? told.outcome
    if (expected !== null && (outcome === 'conflict' || outcome === 'superseded')) {
      throw new ConflictError(sessionId, expected, await this.read(sessionId))
    }
    return outcome
  }

  #event(type: Kind, subject: string, data: object, id: string): Outgoing {
    const { source } = this.#options
    const body = { specversion: '1.0', id, source, type, subject, time: new Date().toISOString(), data }
    return {
      body: Buffer.from(JSON.stringify(body)),
      routingKey: type,
      contentType: 'application/cloudevents+json',
      persistent: true,
      what: `${type} of ${subject}`,
    }
  }

  #deadline(): number {
    return performance.now() + this.#options.timeoutMs
  }
}

function wireFilter(filter: SessionFilter | Filter): Filter {
  const entries = Object.entries(filter)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, value instanceof Date ? value.toISOString() : value])
  return Object.fromEntries(entries) as Filter
}
