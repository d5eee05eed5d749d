import { randomUUID } from 'node:crypto'
import { BadRequestError, type SessionStoreError, TimedOutError, TooLargeError, UnavailableError } from './errors.js'
import type { Filter, HealthResult, QueryOptions, Record, RpcError, StatsResult } from './messages.js'
import type { Wire } from './wire.js'

const LONGEST_WAIT_MS = 500

/** One page of a query, and the cursor of the next; null after the last. */
export interface Page {
  records: Record[]
  nextCursor: string | null
}

interface Results {
  'session.read': { record: Record | null }
  'session.readMany': { records: (Record | null)[] }
  'session.query': Page
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

/** The questions, as JSON-RPC calls that are asked again while the worker says it cannot answer now. */
export class Questions {
  readonly #wire: Wire

  constructor(wire: Wire) {
    this.#wire = wire
  }

  /** Resolves with the result of a method by the deadline. */
  async ask<M extends keyof Results>(method: M, params: Params[M], deadline: number): Promise<Results[M]> {
    for (let wait = 50; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      const answer = (await this.#wire.ask(request(method, params), deadline)) as {
        result: Results[M]
        error?: RpcError
      }
      if (!answer.error) return answer.result
      if (!answer.error.data.retryable || performance.now() + wait >= deadline) throw errorOf(method, answer.error)
      await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random() / 2)))
    }
  }
}

function request(method: string, params: object) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: randomUUID(), method, params })
  return {
    body: Buffer.from(body),
    routingKey: 'session.rpc',
    contentType: 'application/json',
    persistent: false,
    what: method,
  }
}

function errorOf(method: string, error: RpcError): SessionStoreError {
  const { reason, details } = error.data
  switch (reason) {
    case 'not_yet_visible':
    case 'timeout':
      return new TimedOutError(method)
    case 'storage_unavailable':
    case 'overloaded':
    case 'internal_error':
      return new UnavailableError(reason, error.message)
    case 'too_large':
      return new TooLargeError(error.message)
    default:
      return new BadRequestError(error.message, details)
  }
}
