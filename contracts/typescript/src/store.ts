import { randomUUID } from 'node:crypto'
import { type ChangesOptions, Followers, type Gap } from './changes.js'
import { checkWrite, refuse, shown } from './check.js'
import { HybridClock, QueuedWrites } from './clock.js'
import {
  BadRequestError,
  ConflictError,
  RejectedError,
  TimedOutError,
  TooLargeError,
  UntrustedError,
} from './errors.js'
import { type Change, eventOf } from './events.js'
import type {
  Change as Committed,
  Confirmation,
  Filter,
  HealthResult,
  Outcome,
  QueryOptions,
  Receipt,
  Session,
  StatsResult,
} from './messages.js'
import { decode } from './numbers.js'
import {
  type Complete,
  complete,
  type Page,
  type ReadOptions,
  type SessionStoreOptions,
  type StoredRecord,
  type WriteOptions,
  type Written,
} from './options.js'
import type { IStorageProvider, QueryOptions as ProviderQueryOptions, SessionFilter } from './provider.js'
import { Questions, wireFilter } from './questions.js'
import { Wire } from './wire.js'

const MOST_SESSIONS = 10_000
const FURTHEST_OFFSET = 10_000

/**
 * Sessions through RabbitMQ as if the database were local.
 *
 * With durability `stored` a write resolves when it is committed; with `queued` when the broker has it, and reads of that
 * session then wait for it. It reconnects by itself, and what was in flight is sent again under the same event id. `S` is
 * the engine's own type of a session, whatever is in it: what comes back equals what went in.
 */
export class SessionStore<S extends object = Session> implements IStorageProvider<S> {
  readonly name = 'session-store'
  readonly #options: Complete
  readonly #wire: Wire
  readonly #questions: Questions<S>
  readonly #followers: Followers
  readonly #clock = new HybridClock()
  readonly #queued = new QueuedWrites()

  /** Throws MisconfiguredError for options that mean nothing. */
  constructor(options: SessionStoreOptions) {
    this.#options = complete(options)
    const { url, prefix, traceHeaders, keyring } = this.#options
    this.#wire = new Wire(url, prefix, traceHeaders, keyring)
    this.#questions = new Questions(this.#wire)
    this.#followers = new Followers(url, prefix, keyring)
  }

  /** Connects and resolves once a worker has answered; where none does, leaves nothing open. */
  async initialize(): Promise<void> {
    this.#wire.open()
    this.#followers.open()
    try {
      await this.health()
    } catch (error) {
      await this.shutdown()
      throw error
    }
  }

  /** Resolves with a session, or null; never with one from before this client's own last write of it. */
  async readSession(sessionId: string): Promise<S | null> {
    return (await this.read(sessionId))?.session ?? null
  }

  /** Creates or replaces a session. With `expectedRevision` ConflictError where another revision is stored. */
  async writeSession(session: S, options: WriteOptions = {}): Promise<void> {
    await this.write(session, options)
  }

  /**
   * Deletes a session and keeps earlier writes out; resolves with whether it was there. A state that an engine whose clock is
   * ahead wrote before is deleted too, though it has a greater revision than ours, save where one is given; what was written
   * after this call stays.
   */
  async deleteSession(sessionId: string, options: WriteOptions = {}): Promise<boolean> {
    const deadline = this.#deadline()
    const isFree = options.revision === undefined && options.eventId === undefined
    for (;;) {
      const { outcome, revision } = await this.#send('session.delete', sessionId, {}, options, 'stored', deadline)
      const isLost = outcome === 'superseded' && isFree && this.#clock.isLatest(sessionId, revision)
      if (!isLost || !this.#clock.isBehind(sessionId)) return outcome === 'deleted'
    }
  }

  /**
   * Resolves with the matches in the order asked: without a limit with all of them.
   * Then throws TooLargeError above 10,000 rather than cutting silently.
   */
  async querySessions(filter: SessionFilter, options: ProviderQueryOptions = {}): Promise<S[]> {
    const { limit, offset, ...order } = checkedPart(options)
    const sessions: S[] = []
    if (limit <= 0) return sessions
    let passed = Math.min(offset, FURTHEST_OFFSET)
    for await (const { session } of this.iterate(filter, { ...order, limit, offset: passed })) {
      passed += 1
      if (passed > offset) sessions.push(session)
      if (sessions.length >= limit) break
      if (limit === Number.POSITIVE_INFINITY && sessions.length > MOST_SESSIONS) {
        throw new TooLargeError(`more than ${MOST_SESSIONS} sessions match`)
      }
    }
    return sessions
  }

  /** Resolves with how many sessions match. */
  async countSessions(filter: SessionFilter | Filter = {}): Promise<number> {
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

  /** Leaves the connection closed; calls in flight and later ones throw ClosedError. Twice is fine. */
  async shutdown(): Promise<void> {
    this.#followers.close()
    await this.#wire.close()
  }

  /** Resolves with the record of a session: the session, its revision and times. */
  async read(sessionId: string, options: ReadOptions = {}): Promise<StoredRecord<S> | null> {
    return this.#read(sessionId, options.minRevision ?? 0, this.#deadline())
  }

  /** Resolves with the records in the order asked; null where there is none. */
  async readMany(sessionIds: string[]): Promise<(StoredRecord<S> | null)[]> {
    const deadline = this.#deadline()
    const owed = new Set(sessionIds.filter((id) => this.#queued.of(id)))
    const others = sessionIds.filter((id) => !owed.has(id))
    const records = (await this.#questions.readMany(others, deadline)).map((record) => this.#observe(record))
    return Promise.all(
      sessionIds.map((id) => (owed.has(id) ? this.#read(id, 0, deadline) : (records.shift() ?? null))),
    )
  }

  /** Writes a session and resolves with what became of the event. */
  async write(session: S, options: WriteOptions = {}): Promise<Written> {
    if (typeof session !== 'object' || session === null || Array.isArray(session)) {
      refuse('bad_schema', 'data.session', 'must be an object', session)
    }
    const id = idOf(session)
    const full = this.#queued.isFull && this.#queued.of(id) === undefined
    return this.#send('session.write', id, { session }, options, full ? 'stored' : this.#options.durability)
  }

  /** Erases what was written of a player up to the revision (now) and keeps it out; resolves with the receipt. */
  async erasePlayer(playerId: string, options: { revision?: number } = {}): Promise<Receipt> {
    const { revision = this.#clock.next(playerId) } = options
    const event = eventOf({ type: 'player.erase', subject: playerId, data: { revision } }, this.#options)
    const told = decode(await this.#wire.ask(event, this.#deadline())) as Confirmation
    if (!told.receipt) throw new RejectedError(told.code ?? 'bad_schema', told.message ?? '')
    return told.receipt
  }

  /**
   * Resolves with one page, from an offset or a cursor on, and the cursor of the next; null after the last. Own queued
   * writes are not waited for. Throws TooLargeError where the page would pass 4 MiB.
   */
  async query(filter: SessionFilter | Filter = {}, options: QueryOptions = {}): Promise<Page<S>> {
    const params = { filter: wireFilter(filter), options }
    const page = await this.#questions.ask('session.query', params, this.#deadline())
    for (const record of page.records) this.#observe(record)
    return page
  }

  /** Yields every match from `offset` or `cursor` on, asked for `limit` at a time; nothing twice. */
  async *iterate(filter: SessionFilter | Filter = {}, options: QueryOptions = {}): AsyncGenerator<StoredRecord<S>> {
    for await (const records of this.#questions.pages(filter, options, this.#options.timeoutMs)) {
      for (const record of records) {
        this.#observe(record)
        yield record
      }
    }
  }

  /** Resolves with the totals of a player, or of everybody. */
  async stats(playerId?: string): Promise<StatsResult> {
    return this.#questions.ask('session.stats', playerId === undefined ? {} : { playerId }, this.#deadline())
  }

  /** Resolves with how the worker that answers is. */
  async health(): Promise<HealthResult> {
    return this.#questions.ask('health.check', {}, this.#deadline())
  }

  /**
   * Yields what is committed, each session's in its order, and a gap wherever something may have been missed.
   * Needs a worker with the changes feed on. Throws ClosedError after a shutdown, MisconfiguredError without the exchange.
   */
  changes(options: ChangesOptions = {}): AsyncGenerator<Committed | Gap> {
    return this.#followers.follow(options)
  }

  #deadline(): number {
    return performance.now() + this.#options.timeoutMs
  }

  async #read(sessionId: string, wanted: number, deadline: number): Promise<StoredRecord<S> | null> {
    const minRevision = Math.max(this.#queued.of(sessionId) ?? 0, wanted)
    const params = minRevision ? { sessionId, minRevision } : { sessionId }
    const { record } = await this.#questions.ask('session.read', params, deadline)
    this.#queued.forget(sessionId, minRevision)
    return this.#observe(record)
  }

  /** Raises the clock above what was read, so that the next write of the session is newer. */
  #observe(record: StoredRecord<S> | null): StoredRecord<S> | null {
    if (record) this.#clock.observe(idOf(record.session), record.revision)
    return record
  }

  async #send(
    type: Change['type'],
    subject: string,
    content: { session?: S },
    options: WriteOptions,
    durability: 'stored' | 'queued',
    deadline = this.#deadline(),
  ): Promise<Written> {
    const { expectedRevision = null, revision = this.#clock.next(subject), eventId = randomUUID() } = options
    const event = eventOf({ type, subject, data: { revision, expectedRevision, ...content } }, this.#options, eventId)
    try {
      if (durability === 'queued' && expectedRevision === null) {
        checkWrite(event.body)
        await this.#wire.publish(event, deadline)
        this.#queued.add(subject, revision)
        return { eventId, revision }
      }
      const told = decode(await this.#wire.ask(event, deadline)) as Confirmation
      return { eventId, revision, outcome: await this.#judge(told, subject, revision, expectedRevision, deadline) }
    } catch (error) {
      if (!(error instanceof TimedOutError)) throw error
      const Kind = error instanceof UntrustedError ? UntrustedError : TimedOutError
      throw new Kind(event.what, error.cause, eventId, revision)
    }
  }

  /** Resolves with what the worker told, or throws it. */
  async #judge(
    told: Confirmation,
    sessionId: string,
    revision: number,
    expected: number | null,
    deadline: number,
  ): Promise<Outcome> {
    if (told.code) throw new RejectedError(told.code, told.message ?? '')
    const own = told.outcome === 'conflict' ? 0 : revision // otherwise this event is applied, or a greater one
    const applied = Math.max(told.revision ?? 0, own)
    this.#clock.observe(sessionId, applied)
    this.#queued.forget(sessionId, applied)
    const outcome = told.first ?? told.outcome
    if (expected !== null && (outcome === 'conflict' || outcome === 'superseded')) {
      throw new ConflictError(sessionId, expected, await this.#read(sessionId, 0, deadline))
    }
    return outcome
  }
}

function idOf(session: { sessionId?: unknown }): string {
  return String(session.sessionId)
}

/** Returns options with a limit and an offset that are numbers; throws BadRequestError where they are others. */
function checkedPart(options: ProviderQueryOptions): ProviderQueryOptions & { limit: number; offset: number } {
  const limit = options.limit ?? Number.POSITIVE_INFINITY
  const offset = options.offset ?? 0
  for (const [name, number] of Object.entries({ limit, offset })) {
    if (number === Number.POSITIVE_INFINITY || Number.isSafeInteger(number)) continue
    throw new BadRequestError(`options.${name} must be an integer (got ${shown(number)})`)
  }
  return { ...options, limit, offset }
}
