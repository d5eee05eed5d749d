import { MisconfiguredError } from './errors.js'
import { splitHosts } from './hosts.js'
import type { Outcome, Session } from './messages.js'
import { Keyring } from './signing.js'

/**
 * How to reach the store; a cluster's hosts stand in `url` with commas and are tried in turn, and behind `?` the files
 * that TLS needs (`cafile`, `certfile`, `keyfile`). `durability` says when a write resolves, `timeoutMs` bounds every call.
 *
 * `traceHeaders` is asked for each message: the `traceparent`, and the `tracestate`, of what runs, or nothing.
 *
 * An event of more than `bodyLimit` bytes (1 MiB) is rejected before it is sent; give what the workers' setting
 * `SESSION_STORE_BODY_LIMIT` is, where that is another.
 *
 * With `keys`, a text like `k2:secret k1:secret`, every message is signed with the first, and every answer must be signed
 * with one of them.
 */
export interface SessionStoreOptions {
  url: string
  durability?: 'stored' | 'queued'
  timeoutMs?: number
  prefix?: string
  source?: string
  bodyLimit?: number
  traceHeaders?: TraceHeaders
  keys?: string
}

/** Returns W3C trace context, as OpenTelemetry's `propagation.inject` writes it into an object. */
export type TraceHeaders = () => { traceparent?: string; tracestate?: string } | undefined

/** What a read may add: answer only once this revision, or a newer one, is applied. */
export interface ReadOptions {
  minRevision?: number
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

/** A stored session, the revision that made it so, and when its row was made and last changed. */
export interface StoredRecord<S = Session> {
  session: S
  revision: number
  createdAt: string
  updatedAt: string
}

/** One page of a query, and the cursor of the next; null after the last. */
export interface Page<S = Session> {
  records: StoredRecord<S>[]
  nextCursor: string | null
}

/** Options with nothing left out. */
export type Complete = Required<Omit<SessionStoreOptions, 'keys'>> & { keyring: Keyring }

/** Returns the options with nothing left out; throws MisconfiguredError for one that means nothing. */
export function complete(options: SessionStoreOptions): Complete {
  const { url, durability = 'stored', timeoutMs = 5_000, prefix = '', source = 'engine/typescript' } = options
  const { traceHeaders = () => undefined, bodyLimit = 1_048_576 } = options
  if (!/^amqps?:/.test(url) || !splitHosts(url).every((host) => URL.canParse(host)))
    throw new MisconfiguredError('url must be an amqp:// or amqps:// URL')
  if (durability !== 'stored' && durability !== 'queued') {
    throw new MisconfiguredError(`durability must be 'stored' or 'queued', not '${durability}'`)
  }
  if (!(timeoutMs > 0 && timeoutMs < 2 ** 31)) {
    throw new MisconfiguredError(`timeoutMs must be a number of milliseconds above 0, not ${timeoutMs}`)
  }
  if (!source) throw new MisconfiguredError('source must not be empty')
  if (!Number.isSafeInteger(bodyLimit) || bodyLimit < 1) {
    throw new MisconfiguredError(`bodyLimit must be a number of bytes above 0, not ${bodyLimit}`)
  }
  return {
    url,
    durability,
    timeoutMs,
    prefix,
    source,
    bodyLimit,
    traceHeaders,
    keyring: keyringOf(options.keys ?? ''),
  }
}

function keyringOf(keys: string): Keyring {
  try {
    return new Keyring(keys)
  } catch (error) {
    throw new MisconfiguredError(error instanceof Error ? error.message : String(error))
  }
}
