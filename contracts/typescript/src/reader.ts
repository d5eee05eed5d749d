import type { HybridClock, PendingWrites } from './clock.js'
import { TooLargeError } from './errors.js'
import { sessionIdOf } from './events.js'
import { MAX_LIMIT } from './limits.js'
import type { Filter, QueryOptions } from './messages.js'
import type { SessionFilter } from './provider.js'
import type { Page, StoredRecord } from './replies.js'
import type { RpcCalls } from './rpc.js'

/**
 * Reads that wait for the queued writes of this client, and that raise its clock: the next write of a session that was read
 * is newer. Deadlines are milliseconds of `performance.now()`.
 */
export class SessionReader<S extends object> {
  readonly #rpc: RpcCalls<S>
  readonly #clock: HybridClock
  readonly #pending: PendingWrites

  constructor(rpc: RpcCalls<S>, clock: HybridClock, pending: PendingWrites) {
    this.#rpc = rpc
    this.#clock = clock
    this.#pending = pending
  }

  /** Resolves with a session, or null; never with a state from before this client's own last write of it. */
  async read(sessionId: string, minRevision: number, deadline: number): Promise<StoredRecord<S> | null> {
    const awaited = Math.max(this.#pending.revisionOf(sessionId), minRevision)
    const record = await this.#rpc.read(sessionId, awaited, deadline)
    this.#pending.settle(sessionId, awaited)
    return this.#observe(record)
  }

  /** Resolves with records in the order of the ids, null where there is none; as current as those of `read`. */
  async readMany(sessionIds: string[], deadline: number): Promise<(StoredRecord<S> | null)[]> {
    const pending = new Set(sessionIds.filter((id) => this.#pending.revisionOf(id)))
    const others = sessionIds.filter((id) => !pending.has(id))
    const records = (await this.#rpc.readMany(others, deadline)).map((record) => this.#observe(record))
    return Promise.all(
      sessionIds.map((id) => (pending.has(id) ? this.read(id, 0, deadline) : (records.shift() ?? null))),
    )
  }

  /** Resolves with one page, and the cursor of the next. Queued writes are not awaited. */
  async query(filter: SessionFilter | Filter, options: QueryOptions, deadline: number): Promise<Page<S>> {
    const page = await this.#rpc.query(filter, options, deadline)
    for (const record of page.records) this.#observe(record)
    return page
  }

  /**
   * Yields every match from `offset` or `cursor` on, in pages of `limit` records (1,000), smaller where one reply cannot hold
   * them. Each page has `pageTimeoutMs`.
   */
  async *iterate(
    filter: SessionFilter | Filter,
    options: QueryOptions,
    pageTimeoutMs: number,
  ): AsyncGenerator<StoredRecord<S>> {
    const { offset, limit = MAX_LIMIT, ...order } = options
    let start: QueryOptions = offset === 0 || offset === undefined ? {} : { offset }
    let size = Math.min(limit, MAX_LIMIT)
    for (;;) {
      const page = await this.#pageThatFits(filter, { ...order, ...start, limit: size }, pageTimeoutMs)
      if (!page) {
        size = Math.ceil(size / 2)
        continue
      }
      yield* page.records
      if (!page.nextCursor) return
      start = { cursor: page.nextCursor }
    }
  }

  /** Resolves with a page, or with nothing where a smaller one may fit into a reply. */
  async #pageThatFits(
    filter: SessionFilter | Filter,
    options: QueryOptions,
    timeoutMs: number,
  ): Promise<Page<S> | undefined> {
    try {
      return await this.query(filter, options, performance.now() + timeoutMs)
    } catch (error) {
      if (error instanceof TooLargeError && options.limit !== 1) return undefined
      throw error
    }
  }

  #observe(record: StoredRecord<S> | null): StoredRecord<S> | null {
    if (record) this.#clock.observe(sessionIdOf(record.session), record.revision)
    return record
  }
}
