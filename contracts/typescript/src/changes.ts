import type { ConsumeMessage } from 'amqplib'
import { decode } from './encoding.js'
import { ClosedError, MisconfiguredError } from './errors.js'
import { MAX_RECONNECT_DELAY_MS, RECONNECT_DELAY_MS, REMEMBERED_CHANGES } from './limits.js'
import type { Change } from './messages.js'
import { changeContent, type Keyring } from './signing.js'
import { Subscription } from './subscription.js'
import { CHANGES_EXCHANGE, DELETED_KEY, SIGNATURE_HEADER, STORED_KEY } from './topology.js'
import { type Deferred, defer, settledWithin } from './waiting.js'

const KINDS = [STORED_KEY, DELETED_KEY] as const

/**
 * Changes committed before this moment may be missing: drop your cache. All later changes will come.
 *
 * A gap comes first, and again after each loss of the queue. So a reader that fills a cache starts to fill it here.
 */
export interface Gap {
  type: 'gap'
}

/** Which kinds of changes a stream has, and the durable queue that collects them while no stream reads it. */
export interface ChangesOptions {
  kinds?: readonly Change['type'][]
  queue?: string
}

/**
 * Knows the newest change of each session, for the sessions that changed last.
 *
 * An older change arrives late where two replicas announce changes of one session at the same time, or a replica repeats an
 * announcement. Both happen within moments, so a hundred thousand sessions are memory enough.
 */
export class NewestSeen {
  readonly #maxSessions: number
  readonly #seen = new Map<string, [revision: number, id: string]>()

  constructor(maxSessions: number = REMEMBERED_CHANGES) {
    this.#maxSessions = maxSessions
  }

  /** Returns whether a change is newer than all before it of its session, and remembers it if so. */
  advance(change: Change): boolean {
    const { subject, id, data } = change
    const [revision, known] = this.#seen.get(subject) ?? [0, '']
    const number = id.toLowerCase() // as text a UUID sorts as the number it is
    if (data.revision < revision || (data.revision === revision && number <= known)) return false
    this.#seen.delete(subject)
    this.#seen.set(subject, [data.revision, number])
    if (this.#seen.size > this.#maxSessions) {
      const [oldest] = this.#seen.keys()
      if (oldest !== undefined) this.#seen.delete(oldest)
    }
    return true
  }
}

/** The streams of one client, which end with it; with keys they yield only changes that one of the keys signed. */
export class ChangeStreams {
  readonly #url: string
  readonly #exchange: string
  readonly #keyring: Keyring
  readonly #open = new Set<Subscription>()
  #closed: Deferred<void> = defer()
  #isClosed = false

  constructor(url: string, prefix: string, keyring: Keyring) {
    this.#url = url
    this.#keyring = keyring
    this.#exchange = `${prefix}${CHANGES_EXCHANGE}`
  }

  /** Allows streams, again after a `close`. */
  open(): void {
    if (!this.#isClosed) return
    this.#isClosed = false
    this.#closed = defer()
  }

  /** Ends all streams: their readers get ClosedError. */
  close(): void {
    this.#isClosed = true
    this.#closed.resolve()
    for (const subscription of this.#open) subscription.markLost()
  }

  /**
   * Yields changes, each newer than all before it of its session, across reconnections, until `close`.
   * A change is acknowledged when the next one is requested.
   */
  async *stream({ kinds = KINDS, queue }: ChangesOptions): AsyncGenerator<Change | Gap> {
    const newest = new NewestSeen()
    let isForgotten = false
    for (let isFirst = true; ; isFirst = false) {
      const subscription = await this.#subscribe(kinds, queue, isFirst)
      this.#open.add(subscription)
      const hasGap: boolean = subscription.isNew || isForgotten
      try {
        if (hasGap) yield { type: 'gap' }
        for (let message = await subscription.next(); message; message = await subscription.next()) {
          const change = this.#isVerified(message) ? parse(message.content) : undefined
          if (change && kinds.includes(change.type) && newest.advance(change)) yield change
          subscription.acknowledge(message)
        }
      } finally {
        this.#open.delete(subscription)
        await subscription.close()
      }
      isForgotten = hasGap && subscription.endedSoon
    }
  }

  #isVerified({ fields, properties, content }: ConsumeMessage): boolean {
    const signature: unknown = properties.headers?.[SIGNATURE_HEADER]
    const signed = changeContent(this.#exchange, fields.routingKey, content)
    return this.#keyring.isEmpty || this.#keyring.findFault(signature, signed) === undefined
  }

  async #subscribe(kinds: readonly string[], queue: string | undefined, isFirst: boolean): Promise<Subscription> {
    let delay: number = RECONNECT_DELAY_MS
    for (; !this.#isClosed; delay = Math.min(delay * 2, MAX_RECONNECT_DELAY_MS)) {
      try {
        return await Subscription.open(this.#url, this.#exchange, kinds, queue)
      } catch (error) {
        if (isFirst && error instanceof MisconfiguredError) throw error
      }
      await settledWithin((delay * (1 + Math.random())) / 2, this.#closed.promise)
    }
    throw new ClosedError('the client was shut down')
  }
}

/** Returns the change that a message holds; nothing where it holds none. */
function parse(content: Buffer): Change | undefined {
  let found: Partial<Change> | null
  try {
    found = decode(content) as Partial<Change> | null
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  const { type, subject, id, data } = found ?? {}
  const isChange = type !== undefined && KINDS.includes(type) && typeof subject === 'string' && typeof id === 'string'
  return isChange && data !== undefined && Number.isSafeInteger(data.revision) && data.revision > 0
    ? (found as Change)
    : undefined
}
