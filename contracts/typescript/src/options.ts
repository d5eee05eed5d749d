import { readAddress } from './address.js'
import type { OnConflict } from './conflicts.js'
import { MisconfiguredError } from './errors.js'
import { BODY_LIMIT, CALL_TIMEOUT_MS } from './limits.js'
import type { Session } from './messages.js'
import { Keyring } from './signing.js'

/**
 * How to reach the store. The hosts of a cluster stand in `url` with commas and are tried in turn; the files that TLS needs
 * stand behind `?` (`cafile`, `certfile`, `keyfile`). `durability` says when a write resolves, `timeoutMs` bounds every call.
 *
 * `traceHeaders` is called for each message, and returns the `traceparent` and the `tracestate` of the current span, or
 * nothing.
 *
 * An event of more than `bodyLimit` bytes (1 MiB) is rejected before it is sent; it must equal the workers' setting
 * `SESSION_STORE_BODY_LIMIT`.
 *
 * With `keys`, a text like `k2:secret k1:secret`, every message is signed with the first key, and every reply must be signed
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

/**
 * The behaviour of `writeSession` if another engine changed the session since it was read: `merge` by default. With durability
 * `queued` it has no effect, because the client does not wait for the outcome: the last writer wins.
 */
export interface ConflictOptions<S = Session> {
  onConflict?: OnConflict<S>
}

/** Returns W3C trace context, as OpenTelemetry's `propagation.inject` writes it into an object. */
export type TraceHeaders = () => { traceparent?: string; tracestate?: string } | undefined

/** Options of a read: it resolves once this revision, or a newer one, is applied. */
export interface ReadOptions {
  minRevision?: number
}

/** Options of a write: the revision that must be stored (0: none), or the event of a call that timed out. */
export interface WriteOptions {
  expectedRevision?: number
  revision?: number
  eventId?: string
}

/** Options with every default filled in. */
export type ResolvedOptions = Required<Omit<SessionStoreOptions, 'keys'>> & { keyring: Keyring }

/** Returns the options with every default filled in; throws MisconfiguredError for an invalid one. */
export function resolveOptions(options: SessionStoreOptions): ResolvedOptions {
  const {
    url,
    durability = 'stored',
    timeoutMs = CALL_TIMEOUT_MS,
    prefix = '',
    source = 'engine/typescript',
  } = options
  const { traceHeaders = () => undefined, bodyLimit = BODY_LIMIT } = options
  readAddress(url)
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
