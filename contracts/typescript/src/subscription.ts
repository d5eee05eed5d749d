import { randomUUID } from 'node:crypto'
import type { Channel, ChannelModel, ConfirmChannel, ConsumeMessage, Options } from 'amqplib'
import { MisconfiguredError } from './errors.js'
import { closeQuietly, connectTo, EXCLUSIVE, isRefusal } from './link.js'
import { type Deferred, defer } from './time.js'

const PREFETCH = 200
/** The RabbitMQ that gives a quorum queue without a delivery limit one of 20. */
const LIMITS_BY_ITSELF = 4
/** A limit that nobody reaches: on RabbitMQ 3.10 the number that means none, -1, is passed by the first return. */
const NEVER_REACHED = 1_000_000_000
const NAMED = { durable: true, arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': NEVER_REACHED } }
const EARLIER = { durable: true, arguments: { 'x-queue-type': 'quorum' } }
const RESOURCE_LOCKED = 405
const PRECONDITION_FAILED = 406

/** One life of a subscription to the changes: a queue bound to them and consumed, until the connection or it is gone. */
export class Subscription {
  /** Whether the queue was declared just now. */
  isNew = true
  readonly #model: ChannelModel
  readonly #channel: ConfirmChannel
  readonly #arrived: ConsumeMessage[] = []
  #news: Deferred<void> = defer()
  #isLost = false

  private constructor(model: ChannelModel, channel: ConfirmChannel) {
    this.#model = model
    this.#channel = channel
    channel.on('close', () => this.lose())
    channel.on('error', () => undefined)
  }

  /**
   * Resolves with a subscription that consumes. Without a name the queue is exclusive and goes with the connection;
   * a named one is durable, and stays. Throws MisconfiguredError without the exchange, or where the broker refuses.
   */
  static async open(url: string, exchange: string, kinds: readonly string[], queue?: string): Promise<Subscription> {
    const model = await connectTo(url)
    model.on('error', () => undefined)
    try {
      const found = queue === undefined ? { isNew: true, options: EXCLUSIVE } : await find(model, queue)
      const subscription = new Subscription(model, await model.createConfirmChannel())
      subscription.isNew = found.isNew
      await subscription.#consume(exchange, kinds, queue ?? `session.changes.${randomUUID()}`, found.options)
      return subscription
    } catch (error) {
      await closeQuietly(model)
      if (!isRefusal(error) && !isUnsuitable(error)) throw error
      const reason = `nobody can follow ${exchange} so: ${(error as Error).message}`
      throw new MisconfiguredError(`${reason}; run: session-store topology, or name another queue`, { cause: error })
    }
  }

  /** Resolves with the next message; with nothing when there will be none. */
  async next(): Promise<ConsumeMessage | undefined> {
    for (;;) {
      const message = this.#arrived.shift()
      if (message || this.#isLost) return message
      this.#news = defer()
      await this.#news.promise
    }
  }

  /** Has a message gone from the queue; a lost one comes again anyway. */
  acknowledge(message: ConsumeMessage): void {
    if (!this.#isLost) this.#channel.ack(message)
  }

  /** Ends this life at once. */
  lose(): void {
    this.#isLost = true
    this.#arrived.length = 0
    this.#news.resolve()
  }

  /** Leaves the connection closed; what is not acknowledged goes back to its queue. */
  async close(): Promise<void> {
    this.lose()
    await closeQuietly(this.#model)
  }

  async #consume(
    exchange: string,
    kinds: readonly string[],
    name: string,
    options: Options.AssertQueue,
  ): Promise<void> {
    await this.#channel.prefetch(PREFETCH)
    await this.#channel.assertQueue(name, options)
    for (const kind of kinds) await this.#channel.bindQueue(name, exchange, kind)
    await this.#channel.consume(name, (message) => {
      if (!message) return this.lose() // somebody deleted the queue
      this.#arrived.push(message)
      this.#news.resolve()
    })
  }
}

/** Whether the queue of that name is somebody's own, or another kind of queue. */
function isUnsuitable(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === RESOURCE_LOCKED || code === PRECONDITION_FAILED
}

/**
 * Resolves with how a named queue is to be declared, and whether that makes it.
 *
 * One of an earlier client serves on RabbitMQ 3. RabbitMQ 4 drops what was returned to it 20 times, which nobody would be
 * told of: there it goes, and what it held with it, and a new one begins with a gap.
 */
async function find(model: ChannelModel, queue: string): Promise<{ isNew: boolean; options: Options.AssertQueue }> {
  if (!(await may(model, (channel) => channel.checkQueue(queue)))) return { isNew: true, options: NAMED }
  if (!(await may(model, (channel) => channel.assertQueue(queue, EARLIER)))) return { isNew: false, options: NAMED }
  const { version } = model.connection.serverProperties
  if (Number.parseInt(version, 10) < LIMITS_BY_ITSELF) return { isNew: false, options: EARLIER }
  await may(model, (channel) => channel.deleteQueue(queue))
  return { isNew: true, options: NAMED }
}

/** Whether the broker does what is asked. Asked on a channel of its own, which a no closes. */
async function may(model: ChannelModel, ask: (channel: Channel) => Promise<unknown>): Promise<boolean> {
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
