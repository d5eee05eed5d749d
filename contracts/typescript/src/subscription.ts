import { randomUUID } from 'node:crypto'
import type { Channel, ChannelModel, ConfirmChannel, ConsumeMessage, Options } from 'amqplib'
import { openConnection } from './connecting.js'
import { MisconfiguredError } from './errors.js'
import { CHANGES_PREFETCH, FORGETTABLE_BINDING_MS } from './limits.js'
import { closeQuietly, EXCLUSIVE, isRefusal } from './link.js'
import { CHANGES_QUEUE_PREFIX, NEVER_REACHED } from './topology.js'
import { type Deferred, defer } from './waiting.js'

/** The first RabbitMQ that gives a quorum queue without a delivery limit one of 20. */
const LIMITING_MAJOR = 4
const NAMED = { durable: true, arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': NEVER_REACHED } }
const EARLIER = { durable: true, arguments: { 'x-queue-type': 'quorum' } }
const RESOURCE_LOCKED = 405
const PRECONDITION_FAILED = 406

/** A queue that is bound to the changes feed and consumed; it ends with its connection or its queue. */
export class Subscription {
  /** Whether the queue was declared just now. */
  isNew = true
  /** Whether it was lost so soon that a killed broker may have forgotten its binding. */
  endedSoon = false
  readonly #model: ChannelModel
  readonly #channel: ConfirmChannel
  readonly #received: ConsumeMessage[] = []
  #wake: Deferred<void> = defer()
  #isLost = false
  #begun = performance.now()

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
      const found = queue === undefined ? { isNew: true, options: EXCLUSIVE } : await find(model, queue)
      const subscription = new Subscription(model, await model.createConfirmChannel())
      subscription.isNew = found.isNew
      await subscription.#consume(exchange, kinds, queue ?? `${CHANGES_QUEUE_PREFIX}${randomUUID()}`, found.options)
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
    if (!this.#isLost) this.endedSoon = performance.now() - this.#begun < FORGETTABLE_BINDING_MS
    this.#isLost = true
    this.#received.length = 0
    this.#wake.resolve()
  }

  /** Closes the connection; messages that are not acknowledged return to their queue. */
  async close(): Promise<void> {
    this.markLost()
    await closeQuietly(this.#model)
  }

  async #consume(
    exchange: string,
    kinds: readonly string[],
    name: string,
    options: Options.AssertQueue,
  ): Promise<void> {
    await this.#channel.prefetch(CHANGES_PREFETCH)
    await this.#channel.assertQueue(name, options)
    for (const kind of kinds) await this.#channel.bindQueue(name, exchange, kind)
    this.#begun = performance.now()
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

/**
 * Resolves with the options of a named queue, and whether it is to be made.
 *
 * The queue of an earlier client stays as it is on RabbitMQ 3. RabbitMQ 4 would silently drop a message that was returned
 * to it 20 times: there it is deleted with its messages, and a new one begins with a gap.
 */
async function find(model: ChannelModel, queue: string): Promise<{ isNew: boolean; options: Options.AssertQueue }> {
  if (!(await succeeds(model, (channel) => channel.checkQueue(queue)))) return { isNew: true, options: NAMED }
  const isEarlier = await succeeds(model, (channel) => channel.assertQueue(queue, EARLIER))
  if (!isEarlier) return { isNew: false, options: NAMED }
  const { version } = model.connection.serverProperties
  if (Number.parseInt(version, 10) < LIMITING_MAJOR) return { isNew: false, options: EARLIER }
  await succeeds(model, (channel) => channel.deleteQueue(queue))
  return { isNew: true, options: NAMED }
}

/** Whether the broker accepts a question. It has a channel of its own, because the broker closes it with a refusal. */
async function succeeds(model: ChannelModel, ask: (channel: Channel) => Promise<unknown>): Promise<boolean> {
  const channel = await model.createChannel()
  channel.on('error', () => undefined)
  try {
    await ask(channel)
    await channel.close()
    return true
  } catch (error) {
    if (isRefusal(error) || isUnsuitable(error)) return false
    throw error
  }
}
