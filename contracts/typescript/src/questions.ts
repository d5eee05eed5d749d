import { randomUUID } from 'node:crypto'
import {
  BadRequestError,
  DistrustedError,
  RejectedError,
  type SessionStoreError,
  TimedOutError,
  TooLargeError,
  UnavailableError,
} from './errors.js'
import type { Filter, HealthResult, QueryOptions, RpcError, StatsResult } from './messages.js'
import { decode, encode, isInvalid } from './numbers.js'
import type { Page, StoredRecord } from './options.js'
import type { SessionFilter } from './provider.js'
import type { Wire } from './wire.js'

const LONGEST_WAIT_MS = 500
const LARGEST_REQUEST = 4 * 1024 * 1024

/** The most records that one question may ask for. */
export const PAGE = 1_000

interface Results<S> {
  'session.read': { record: StoredRecord<S> | null }
  'session.readMany': { records: (StoredRecord<S> | null)[] }
  'session.query': Page<S>
  'session.count': { count: number }
  'session.stats': StatsResult
  'health.check': HealthResult
}

interface Params {
  'session.read': { sessionId: string; minRevision?: number }
  'session.readMany': { sessionIds: string[] }
  'session.query': { filter: Filter; options: QueryOptions }
  'session.count': { filter: Filter }
  'session.stats': { playerId?: string }
  'health.check': { [name: string]: never }
}

/**
 * The questions, as JSON-RPC calls that are asked again while the worker says it cannot answer now.
 *
 * Deadlines are milliseconds of `performance.now()`.
 */
export class Questions<S> {
  readonly #wire: Wire

  constructor(wire: Wire) {
    this.#wire = wire
  }

  /** Resolves with the result of a method. */
  async ask<M extends keyof Results<S>>(method: M, params: Params[M], deadline: number): Promise<Results<S>[M]> {
    for (let wait = 50; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      const answer = decode(await this.#wire.ask(request(method, params), deadline)) as {
        result: Results<S>[M]
        error?: RpcError
      }
      if (!answer.error) return answer.result
      if (!answer.error.data.retryable || performance.now() + wait >= deadline) throw errorOf(method, answer.error)
      await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random() / 2)))
    }
  }

  /** Resolves with the records in the order asked; where the answer would be too large, asked for in parts. */
  async readMany(sessionIds: string[], deadline: number): Promise<(StoredRecord<S> | null)[]> {
    if (sessionIds.length === 0) return []
    if (sessionIds.length > PAGE) return this.#readInParts(sessionIds, PAGE, deadline)
    try {
      return (await this.ask('session.readMany', { sessionIds }, deadline)).records
    } catch (error) {
      if (!(error instanceof TooLargeError) || sessionIds.length === 1) throw error
      return this.#readInParts(sessionIds, Math.ceil(sessionIds.length / 2), deadline)
    }
  }

  /** Yields every page from `options` on; where one would be too large, smaller ones. Each has `timeoutMs`. */
  async *pages(
    filter: SessionFilter | Filter,
    options: QueryOptions,
    timeoutMs: number,
  ): AsyncGenerator<StoredRecord<S>[]> {
    const { offset, limit = PAGE, ...order } = options
    let place: QueryOptions = offset === 0 || offset === undefined ? {} : { offset }
    let size = Math.min(limit, PAGE)
    for (;;) {
      const page = await this.#page(wireFilter(filter), { ...order, ...place, limit: size }, timeoutMs)
      if (page) yield page.records
      if (page && !page.nextCursor) return
      if (page) place = { cursor: page.nextCursor }
      else size = Math.ceil(size / 2)
    }
  }

  async #readInParts(sessionIds: string[], size: number, deadline: number): Promise<(StoredRecord<S> | null)[]> {
    const records: (StoredRecord<S> | null)[] = []
    for (let at = 0; at < sessionIds.length; at += size) {
      records.push(...(await this.readMany(sessionIds.slice(at, at + size), deadline)))
    }
    return records
  }

  /** Resolves with a page, or with nothing where fewer records may fit into an answer. */
  async #page(filter: Filter, options: QueryOptions, timeoutMs: number): Promise<Page<S> | undefined> {
    try {
      return await this.ask('session.query', { filter, options }, performance.now() + timeoutMs)
    } catch (error) {
      if (error instanceof TooLargeError && options.limit !== 1) return undefined
      throw error
    }
  }
}

/**
 * Returns a filter as it goes over the wire: dates as text, nothing that is undefined. Throws BadRequestError for what is no
 * filter, and for a date that names no moment.
 */
export function wireFilter(filter: SessionFilter | Filter): Filter {
  if (typeof filter !== 'object' || filter === null) throw new BadRequestError('filter must be an object')
  const entries = Object.entries(filter)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, value instanceof Date ? textOf(name, value) : value])
  return Object.fromEntries(entries) as Filter
}

function textOf(name: string, date: Date): string {
  if (isInvalid(date)) throw new BadRequestError(`filter.${name} is an invalid date`)
  return date.toISOString()
}

function request(method: string, params: object) {
  return {
    body: requestBody({ jsonrpc: '2.0', id: randomUUID(), method, params }),
    routingKey: 'session.rpc',
    contentType: 'application/json',
    persistent: false,
    what: method,
  }
}

function requestBody(document: object): Buffer {
  try {
    const body = encode(document)
    if (body.length <= LARGEST_REQUEST) return body
  } catch (error) {
    throw error instanceof RejectedError ? new BadRequestError(error.reason) : error
  }
  throw new BadRequestError('the request passes 4 MiB')
}

function errorOf(method: string, error: RpcError): SessionStoreError {
  const { reason, details } = error.data
  switch (reason) {
    case 'not_yet_visible':
    case 'timeout':
      return new TimedOutError(method, new Error(error.message))
    case 'storage_unavailable':
    case 'overloaded':
    case 'internal_error':
      return new UnavailableError(reason, error.message)
    case 'bad_signature':
      return new DistrustedError(`the worker does not trust this client: ${error.message}`)
    case 'too_large':
      return new TooLargeError(error.message)
    default:
      return new BadRequestError(error.message, details)
  }
}
