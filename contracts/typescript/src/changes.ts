import type { ConsumeMessage } from 'amqplib'
import { ClosedError, MisconfiguredError } from './errors.js'
import type { Change } from './messages.js'
import { decode } from './numbers.js'
import { changeContent, type Keyring, SIGNATURE_HEADER } from './signing.js'
import { Subscription } from './subscription.js'
import { type Deferred, defer, unlessLate } from './time.js'

const KINDS = ['session.stored', 'session.deleted'] as const
const REMEMBERED = 100_000
const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 3_000

/**
 * What was committed before now may not have been told: forget what was kept. All after it will be told.
 *
 * It comes first, and again after each loss of a queue. So whoever reads into a cache begins to do so here.
 */
export interface Gap {
  type: 'gap'
}

/** What a follower may want: changes of some kinds alone, or a durable queue that collects while nobody follows. */
export interface ChangesOptions {
  kinds?: readonly Change['type'][]
  queue?: string
}

/**
 * Knows what is newer than all that came before it of its session, for the sessions that changed last.
 *
 * An older message comes where two replicas tell of a session at the same time, or one of them again. Both are within
 * moments of each other, so of a hundred thousand sessions none that matters is forgotten.
 */
export class Latest {
  readonly #most: number
  readonly #seen = new Map<string, [revision: number, id: string]>()

  constructor(most = REMEMBERED) {
    this.#most = most
  }

  /** Returns whether a change is newer, and remembers it if so. */
  take(change: Change): boolean {
    const { subject, id, data } = change
    const [revision, known] = this.#seen.get(subject) ?? [0, '']
    const number = id.toLowerCase() // as text a UUID sorts as the number it is
    if (data.revision < revision || (data.revision === revision && number <= known)) return false
    this.#seen.delete(subject)
    this.#seen.set(subject, [data.revision, number])
    if (this.#seen.size > this.#most) {
      const [oldest] = this.#seen.keys()
      if (oldest !== undefined) this.#seen.delete(oldest)
    }
    return true
  }
}

/** The subscriptions of one client, which end with it; with keys only what one of them has signed is told. */
export class Followers {
  readonly #url: string
  readonly #exchange: string
  readonly #keyring: Keyring
  readonly #open = new Set<Subscription>()
  #over: Deferred<true> = defer()
  #isOver = false

  constructor(url: string, prefix: string, keyring: Keyring) {
    this.#url = url
    this.#keyring = keyring
    this.#exchange = `${prefix}sessions.changes`
  }

  /** Allows to follow, again after a `close`. */
  open(): void {
    if (!this.#isOver) return
    this.#isOver = false
    this.#over = defer()
  }

  /** Ends all: who follows gets ClosedError. */
  close(): void {
    this.#isOver = true
    this.#over.resolve(true)
    for (const subscription of this.#open) subscription.lose()
  }

  /**
   * Yields what comes, newer ones alone; over lost connections too, until the client is shut down.
   * A change is acknowledged when the next one is asked for.
   */
  async *follow({ kinds = KINDS, queue }: ChangesOptions): AsyncGenerator<Change | Gap> {
    const latest = new Latest()
    for (let isFirst = true; ; isFirst = false) {
      const subscription = await this.#subscribe(kinds, queue, isFirst)
      this.#open.add(subscription)
      try {
        if (subscription.isNew) yield { type: 'gap' }
        for (let message = await subscription.next(); message; message = await subscription.next()) {
          const change = this.#isBelieved(message) ? read(message.content) : undefined
          if (change && kinds.includes(change.type) && latest.take(change)) yield change
          subscription.acknowledge(message)
        }
      } finally {
        this.#open.delete(subscription)
        await subscription.close()
      }
    }
  }

  #isBelieved({ fields, properties, content }: ConsumeMessage): boolean {
    const signature: unknown = properties.headers?.[SIGNATURE_HEADER]
    const signed = changeContent(this.#exchange, fields.routingKey, content)
    return this.#keyring.isEmpty || this.#keyring.findFault(signature, signed) === undefined
  }

  async #subscribe(kinds: readonly string[], queue: string | undefined, isFirst: boolean): Promise<Subscription> {
    for (let wait = FIRST_WAIT_MS; !this.#isOver; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      try {
        return await Subscription.open(this.#url, this.#exchange, kinds, queue)
      } catch (error) {
        if (isFirst && error instanceof MisconfiguredError) throw error
      }
      await unlessLate((wait * (1 + Math.random())) / 2, this.#over.promise)
    }
    throw new ClosedError('the client was shut down')
  }
}

/** Returns the change that a message holds; nothing where it holds none. */
function read(content: Buffer): Change | undefined {
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
