import { ChangeStreams, type ChangesOptions, type Gap } from './changes.js'
import { HybridClock, PendingWrites } from './clock.js'
import { checkedOnConflict } from './conflicts.js'
import { BadRequestError, TooLargeError } from './errors.js'
import { isPossibleId } from './events.js'
import { HEALTH_CHECK_TIMEOUT_MS, MAX_OFFSET } from './limits.js'
import { LiveSessions } from './live.js'
import type { Change, Filter, HealthResult, QueryOptions, Receipt, Session, StatsResult } from './messages.js'
import {
  type ConflictOptions,
  type ReadOptions,
  type ResolvedOptions,
  resolveOptions,
  type SessionStoreOptions,
  type WriteOptions,
} from './options.js'
import {
  type IStorageProvider,
  type QueryOptions as ProviderQueryOptions,
  type SessionFilter,
  withoutEmpty,
} from './provider.js'
import { SessionQueues } from './queues.js'
import { SessionReader } from './reader.js'
import { echo } from './refusals.js'
import type { Page, StoredRecord, WriteResult } from './replies.js'
import { RpcCalls } from './rpc.js'
import { Transport } from './transport.js'
import { SessionUpdater } from './updater.js'
import type { ChangeOrCreate, ChangeSession, UpdateOptions, UpdateResult } from './updates.js'
import { SessionWriter } from './writer.js'

const MAX_SESSIONS = 10_000

/**
 * Sessions through RabbitMQ as if the database were local.
 *
 * With durability `stored` a write resolves when it is committed. With `queued` it resolves when the broker has it on disk,
 * and reads of that session then wait for it. The store reconnects by itself, and sends calls in flight again under the same
 * event id. `S` is the engine's own type of a session, whatever it holds: what comes back equals what went in.
 */
export class SessionStore<S extends object = Session> implements IStorageProvider<S> {
  readonly name = 'session-store'
  readonly #options: ResolvedOptions
  readonly #transport: Transport
  readonly #rpc: RpcCalls<S>
  readonly #reader: SessionReader<S>
  readonly #writer: SessionWriter<S>
  readonly #live: LiveSessions<S>
  readonly #updater: SessionUpdater<S>
  readonly #streams: ChangeStreams

  /** Throws MisconfiguredError for invalid options. */
  constructor({ onConflict = 'merge', ...options }: SessionStoreOptions & ConflictOptions<S>) {
    this.#options = resolveOptions(options)
    const { url, prefix, traceHeaders, keyring } = this.#options
    const [clock, pending] = [new HybridClock(), new PendingWrites()]
    this.#transport = new Transport(url, prefix, traceHeaders, keyring)
    this.#rpc = new RpcCalls(this.#transport)
    this.#reader = new SessionReader(this.#rpc, clock, pending)
    this.#writer = new SessionWriter(this.#transport, this.#reader, clock, pending, this.#options)
    const [reader, writer, queues] = [this.#reader, this.#writer, new SessionQueues()]
    const isQueued = this.#options.durability === 'queued'
    this.#live = new LiveSessions({
      reader,
      writer,
      clock,
      queues,
      onConflict: checkedOnConflict(onConflict),
      isQueued,
    })
    this.#updater = new SessionUpdater(reader, writer, queues)
    this.#streams = new ChangeStreams(url, prefix, keyring)
  }

  /** Begins to connect; calls wait for the connection up to their deadline. Twice is fine. */
  open(): void {
    this.#transport.open()
    this.#streams.open()
  }

  /**
   * Connects, and resolves once a worker has replied; where none replies, leaves nothing open and throws. It may be called
   * again.
   */
  async initialize(): Promise<void> {
    this.open()
    try {
      await this.health()
    } catch (error) {
      await this.shutdown()
      throw error
    }
  }

  /**
   * Resolves with a session, or null; never with a state from before this client's own last write of it. Calls that overlap get
   * the same object, as long as no other engine has stored a newer revision.
   */
  async readSession(sessionId: string): Promise<S | null> {
    return isPossibleId(sessionId) ? this.#live.read(sessionId, this.#deadline()) : null
  }

  /**
   * Creates or replaces a session. An object that `readSession` gave is stored over the revision it is based on, merged with the
   * changes of other engines; CollisionError says which changes exclude each other. With `options` it is `write`.
   */
  async writeSession(session: S, options?: WriteOptions): Promise<void> {
    if (options) await this.write(session, options)
    else await this.#live.write(session, this.#deadline())
  }

  /**
   * Deletes a session and keeps earlier writes out; resolves with whether it was there. Deletes it even if an engine with a
   * fast clock wrote it at a greater revision, unless `revision` or `eventId` is given. Writes made after this call are kept.
   */
  async deleteSession(sessionId: string, options?: WriteOptions): Promise<boolean> {
    if (!isPossibleId(sessionId)) return false
    if (!options) return this.#live.delete(sessionId, this.#deadline())
    return (await this.#writer.delete(sessionId, options, this.#deadline())).outcome === 'deleted'
  }

  /**
   * Changes a session as it is stored, and resolves with the result. `change` changes the session in place or returns another;
   * it is called again with the newest state while other engines write in between. It gets null for a session that is missing
   * with `missing: 'create'`; otherwise that is NotFoundError. Always `stored`. Throws ConflictError at the deadline.
   */
  update(sessionId: string, change: ChangeSession<S>): Promise<UpdateResult<S>>
  update(sessionId: string, change: ChangeOrCreate<S>, options: UpdateOptions): Promise<UpdateResult<S>>
  update(
    sessionId: string,
    change: ChangeSession<S>,
    { missing = 'refuse' }: UpdateOptions = {},
  ): Promise<UpdateResult<S>> {
    return this.#updater.update(sessionId, change as ChangeOrCreate<S>, missing, this.#deadline())
  }

  /**
   * Resolves with the matches in the order asked for; without a limit with all of them. Then it throws TooLargeError above
   * 10,000 rather than cutting silently.
   */
  async querySessions(filter: SessionFilter, options: ProviderQueryOptions = {}): Promise<S[]> {
    const { limit, offset, ...order } = checkedRange(options)
    const sessions: S[] = []
    if (limit < 0) return sessions
    let passed = Math.min(offset, MAX_OFFSET)
    for await (const { session } of this.iterate(withoutEmpty(filter), { ...order, limit, offset: passed })) {
      passed += 1
      if (passed > offset) sessions.push(session)
      if (sessions.length >= limit) break
      if (limit === Number.POSITIVE_INFINITY && sessions.length > MAX_SESSIONS) {
        throw new TooLargeError(`more than ${MAX_SESSIONS} sessions match`)
      }
    }
    return sessions
  }

  /** Resolves with how many sessions match. */
  async countSessions(filter: SessionFilter | Filter = {}): Promise<number> {
    return this.#rpc.count(withoutEmpty(filter), this.#deadline())
  }

  /** Resolves within 1 s with whether a worker replies and reaches its database. */
  async healthCheck(): Promise<boolean> {
    try {
      return (await this.#rpc.health(performance.now() + HEALTH_CHECK_TIMEOUT_MS)).ok
    } catch {
      return false
    }
  }

  /** Closes the connection; calls in flight and later ones throw ClosedError. Twice is fine. */
  async shutdown(): Promise<void> {
    this.#streams.close()
    await this.#transport.close()
  }

  /** Resolves with the record of a session: the session, its revision and times. */
  async read(sessionId: string, options: ReadOptions = {}): Promise<StoredRecord<S> | null> {
    return this.#reader.read(sessionId, options.minRevision ?? 0, this.#deadline())
  }

  /** Resolves with the records in the order of the ids; null where there is none. */
  async readMany(sessionIds: string[]): Promise<(StoredRecord<S> | null)[]> {
    return this.#reader.readMany(sessionIds, this.#deadline())
  }

  /** Writes a session and resolves with the event's result. */
  async write(session: S, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#writer.write(session, options, this.#deadline())
  }

  /** Erases a player's sessions up to the revision (now) and keeps late writes out; resolves with the receipt. */
  async erasePlayer(playerId: string, options: { revision?: number } = {}): Promise<Receipt> {
    return this.#writer.erase(playerId, options.revision, this.#deadline())
  }

  /**
   * Resolves with one page, from an offset or a cursor on, and the cursor of the next; null after the last. This client's
   * queued writes are not awaited. Throws TooLargeError where the page would exceed 4 MiB.
   */
  async query(filter: SessionFilter | Filter = {}, options: QueryOptions = {}): Promise<Page<S>> {
    return this.#reader.query(filter, options, this.#deadline())
  }

  /** Yields every match from `offset` or `cursor` on, in pages of `limit` records; nothing twice. */
  iterate(filter: SessionFilter | Filter = {}, options: QueryOptions = {}): AsyncGenerator<StoredRecord<S>> {
    return this.#reader.iterate(filter, options, this.#options.timeoutMs)
  }

  /** Resolves with the totals of a player, or of all players. */
  async stats(playerId?: string): Promise<StatsResult> {
    return this.#rpc.stats(playerId, this.#deadline())
  }

  /** Resolves with the health of the worker that replies. */
  async health(): Promise<HealthResult> {
    return this.#rpc.health(this.#deadline())
  }

  /**
   * Yields committed changes, each session's in order, and a gap wherever changes may be missing. Needs a worker with the
   * changes feed on. Throws ClosedError after a shutdown, MisconfiguredError without the exchange.
   */
  changes(options: ChangesOptions = {}): AsyncGenerator<Change | Gap> {
    return this.#streams.stream(options)
  }

  #deadline(): number {
    return performance.now() + this.#options.timeoutMs
  }
}

/** Returns options with a limit and an offset that are numbers; throws BadRequestError where one of them is none. */
function checkedRange(options: ProviderQueryOptions): ProviderQueryOptions & { limit: number; offset: number } {
  const limit = options.limit === 0 ? Number.POSITIVE_INFINITY : (options.limit ?? Number.POSITIVE_INFINITY)
  const offset = options.offset ?? 0
  for (const [name, number] of Object.entries({ limit, offset })) {
    if (number === Number.POSITIVE_INFINITY || Number.isSafeInteger(number)) continue
    throw new BadRequestError(`options.${name} must be an integer (got ${echo(number)})`)
  }
  return { ...options, limit, offset }
}
