import { randomUUID } from 'node:crypto'
import type { ChannelModel, ConfirmChannel, ConsumeMessage } from 'amqplib'
import { MisconfiguredError } from './errors.js'
import { CHANGES_PREFETCH } from './limits.js'
import { closeQuietly, isRefusal, openConnection } from './link.js'
import { CHANGES_QUEUE_PREFIX } from './topology.js'
import { type Deferred, defer } from './waiting.js'

const RESOURCE_LOCKED = 405
const PRECONDITION_FAILED = 406

/** A queue that is bound to the changes feed and consumed; it ends with its connection or its queue. */
export class Subscription {
  /** Whether the queue was declared just now. */
  isNew = true
  readonly #model: ChannelModel
  readonly #channel: ConfirmChannel
  readonly #received: ConsumeMessage[] = []
  #wake: Deferred<void> = defer()
  #isLost = false

  private constructor(model: ChannelModel, channel: ConfirmChannel) {
    this.#model = model
    this.#channel = channel
    channel.on('close', () => this.markLost())
    channel.on('error', () => undefined)
  }

  /**
   * Resolves with a subscription that consumes. Without a name the queue is exclusive and deleted with the
   * connection; a named queue is durable and stays. Throws MisconfiguredError without the exchange, or where the broker refuses.
   */
  static async open(url: string, exchange: string, kinds: readonly string[], queue?: string): Promise<Subscription> {
    const model = await openConnection(url)
    model.on('error', () => undefined)
    try {
      const isNew = queue === undefined || !(await exists(model, queue))
      const subscription = new Subscription(model, await model.createConfirmChannel())
      subscription.isNew = isNew
      await subscription.#consume(exchange, kinds, queue)
      return subscription
    } catch (error) {
      await closeQuietly(model)
      if (!isRefusal(error) && !isUnsuitable(error)) throw error
      const reason = `cannot subscribe to ${exchange}: ${(error as Error).message}`
      throw new MisconfiguredError(`${reason}; run: session-store topology, or name another queue`, { cause: error })
    }
  }

  /** Resolves with the next message; with nothing when there will be none. */
  async next(): Promise<ConsumeMessage | undefined> {
    for (;;) {
      const message = this.#received.shift()
      if (message || this.#isLost) return message
      this.#wake = defer()
      await this.#wake.promise
    }
  }

  /** Acknowledges a message; after a loss the broker delivers it again. */
  acknowledge(message: ConsumeMessage): void {
    if (!this.#isLost) this.#channel.ack(message)
  }

  /** Ends the subscription at once. */
  markLost(): void {
    this.#isLost = true
    this.#received.length = 0
    this.#wake.resolve()
  }

  /** Closes the connection; messages that are not acknowledged return to their queue. */
  async close(): Promise<void> {
    this.markLost()
    await closeQuietly(this.#model)
  }

  async #consume(exchange: string, kinds: readonly string[], queue?: string): Promise<void> {
    await this.#channel.prefetch(CHANGES_PREFETCH)
    const name = queue ?? `${CHANGES_QUEUE_PREFIX}${randomUUID()}`
    const named = { durable: true, arguments: { 'x-queue-type': 'quorum' } }
    await this.#channel.assertQueue(name, queue === undefined ? { exclusive: true, durable: false } : named)
    for (const kind of kinds) await this.#channel.bindQueue(name, exchange, kind)
    await this.#channel.consume(name, (message) => {
      if (!message) return this.markLost() // somebody deleted the queue
      this.#received.push(message)
      this.#wake.resolve()
    })
  }
}

/** Whether the queue of that name is exclusive to another connection, or has other arguments. */
function isUnsuitable(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === RESOURCE_LOCKED || code === PRECONDITION_FAILED
}

/** Whether a queue exists. The question has a channel of its own, because the broker closes it where there is no queue. */
async function exists(model: ChannelModel, queue: string): Promise<boolean> {
  const channel = await model.createChannel()
  channel.on('error', () => undefined)
  try {
    await channel.checkQueue(queue)
    await channel.close()
    return true
  } catch (error) {
    if (isRefusal(error)) return false
    throw error
  }
}
