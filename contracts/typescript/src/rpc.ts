import { randomUUID } from 'node:crypto'
import { decode, encode, isInvalidDate } from './encoding.js'
import {
  BadRequestError,
  RejectedError,
  type SessionStoreError,
  SignatureRefusedError,
  TimedOutError,
  TooLargeError,
  UnavailableError,
} from './errors.js'
import type { OutgoingMessage } from './events.js'
import { MAX_IDS, MAX_MESSAGE_BYTES, MAX_RPC_RETRY_DELAY_MS, RPC_RETRY_DELAY_MS } from './limits.js'
import type { Filter, HealthResult, QueryOptions, RpcError, StatsResult } from './messages.js'
import type { SessionFilter } from './provider.js'
import type { Page, StoredRecord } from './replies.js'
import { RPC_CONTENT_TYPE, RPC_KEY } from './topology.js'
import type { Transport } from './transport.js'

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

/** They are published again while no reply comes. A search that is slow would be slower by its repetition. */
const CHEAP: ReadonlySet<string> = new Set(['session.read', 'session.readMany'])

/**
 * The methods of the contract as JSON-RPC calls, repeated while the worker replies that it cannot serve now.
 *
 * Deadlines are milliseconds of `performance.now()`.
 */
export class RpcCalls<S> {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Resolves with a session, once the revision (0: any) is applied. */
  async read(sessionId: string, minRevision: number, deadline: number): Promise<StoredRecord<S> | null> {
    const params = minRevision ? { sessionId, minRevision } : { sessionId }
    return (await this.#call('session.read', params, deadline)).record
  }

  /** Resolves with records in the order of the ids; in several calls where one reply cannot hold them. */
  async readMany(sessionIds: string[], deadline: number): Promise<(StoredRecord<S> | null)[]> {
    if (sessionIds.length === 0) return []
    if (sessionIds.length > MAX_IDS) return this.#readInParts(sessionIds, MAX_IDS, deadline)
    try {
      return (await this.#call('session.readMany', { sessionIds }, deadline)).records
    } catch (error) {
      if (!(error instanceof TooLargeError) || sessionIds.length === 1) throw error
      return this.#readInParts(sessionIds, Math.ceil(sessionIds.length / 2), deadline)
    }
  }

  /** Resolves with one page. */
  async query(filter: SessionFilter | Filter, options: QueryOptions, deadline: number): Promise<Page<S>> {
    return this.#call('session.query', { filter: filterParams(filter), options }, deadline)
  }

  /** Resolves with how many sessions match. */
  async count(filter: SessionFilter | Filter, deadline: number): Promise<number> {
    return (await this.#call('session.count', { filter: filterParams(filter) }, deadline)).count
  }

  /** Resolves with the totals of a player, or of all players. */
  async stats(playerId: string | undefined, deadline: number): Promise<StatsResult> {
    return this.#call('session.stats', playerId === undefined ? {} : { playerId }, deadline)
  }

  /** Resolves with the health of the worker that replies. */
  async health(deadline: number): Promise<HealthResult> {
    return this.#call('health.check', {}, deadline)
  }

  async #readInParts(sessionIds: string[], size: number, deadline: number): Promise<(StoredRecord<S> | null)[]> {
    const records: (StoredRecord<S> | null)[] = []
    for (let at = 0; at < sessionIds.length; at += size) {
      records.push(...(await this.readMany(sessionIds.slice(at, at + size), deadline)))
    }
    return records
  }

  async #call<M extends keyof Results<S>>(method: M, params: Params[M], deadline: number): Promise<Results<S>[M]> {
    for (let delay: number = RPC_RETRY_DELAY_MS; ; delay = Math.min(delay * 2, MAX_RPC_RETRY_DELAY_MS)) {
      const reply = decode(await this.#transport.request(requestMessage(method, params), deadline)) as {
        result: Results<S>[M]
        error?: RpcError
      }
      if (!reply.error) return reply.result
      if (!reply.error.data.retryable || performance.now() + delay >= deadline) throw errorOf(method, reply.error)
      await new Promise((resolve) => setTimeout(resolve, delay * (0.5 + Math.random() / 2)))
    }
  }
}

/**
 * Returns a filter as JSON holds it: dates as text, no undefined properties. Throws BadRequestError for a value that is no
 * filter, and for an invalid date.
 */
function filterParams(filter: SessionFilter | Filter): Filter {
  if (typeof filter !== 'object' || filter === null) throw new BadRequestError('filter must be an object')
  const entries = Object.entries(filter)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, value instanceof Date ? dateText(name, value) : value])
  return Object.fromEntries(entries) as Filter
}

function dateText(name: string, date: Date): string {
  if (isInvalidDate(date)) throw new BadRequestError(`filter.${name} is an invalid date`)
  return date.toISOString()
}

function requestMessage(method: string, params: object): OutgoingMessage {
  const body = requestBody({ jsonrpc: '2.0', id: randomUUID(), method, params })
  const repeats = CHEAP.has(method)
  return { body, routingKey: RPC_KEY, contentType: RPC_CONTENT_TYPE, persistent: false, repeats, call: method }
}

function requestBody(document: object): Buffer {
  try {
    const body = encode(document)
    if (body.length <= MAX_MESSAGE_BYTES) return body
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
      return new SignatureRefusedError(`the worker refuses the signature of this client: ${error.message}`)
    case 'too_large':
      return new TooLargeError(error.message)
    default:
      return new BadRequestError(error.message, details)
  }
}
