import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { ChannelModel, ConfirmChannel, Options } from 'amqplib'
import { openConnection } from './connecting.js'
import { MisconfiguredError } from './errors.js'
import { CHANNEL_REFUSAL_MS, CLOSE_TIMEOUT_MS } from './limits.js'
import type { MessageSigner } from './signer.js'
import type { SignatureFault } from './signing.js'
import { DEADLINE_HEADER, REPLY_QUEUE_PREFIX, SIGNATURE_HEADER } from './topology.js'
import { settledWithin, Waiters } from './waiting.js'

/** The options of a queue for the time of a connection; the type is explicit because a virtual host may have another default. */
export const EXCLUSIVE = { exclusive: true, durable: false, arguments: { 'x-queue-type': 'classic' } }

const ACCESS_REFUSED = 403
const NOT_FOUND = 404
/** The body to publish, its routing key and its properties. */
export interface Publication {
  routingKey: string
  body: Buffer
  properties: Options.Publish
}

/** Receives the correlation id and the body of a reply, and the fault of its signature. */
export type OnReply = (correlationId: string, body: Buffer, fault: SignatureFault | undefined) => void

/**
 * One connection with one channel: it publishes with confirms and receives replies. When it is lost nothing is restored, the
 * next link starts anew.
 *
 * Replies come to an exclusive queue of the link and not by direct reply-to, which would bind every request to the one
 * channel that consumes the replies.
 */
export class Link {
  readonly replyTo = `${REPLY_QUEUE_PREFIX}${randomUUID()}`
  readonly lost: Promise<undefined>
  readonly #model: ChannelModel
  readonly #channel: ConfirmChannel
  readonly #exchange: string
  readonly #signer: MessageSigner
  readonly #returned = new Set<string>()
  readonly #refusedSince = new Map<string, number>()
  readonly #lossWaiters = new Waiters()
  readonly #writeWaiters = new Waiters()
  #isLost = false
  #isBlocked = false
  #isFull = false
  #refusal: string | undefined

  private constructor(model: ChannelModel, channel: ConfirmChannel, exchange: string, signer: MessageSigner) {
    this.#model = model
    this.#channel = channel
    this.#exchange = exchange
    this.#signer = signer
    this.lost = new Promise((resolve) => this.onLost(() => resolve(undefined)))
    channel.on('close', () => this.#markLost())
    channel.on('drain', () => this.#drain())
    model.on('blocked', () => this.#setBlocked(true))
    model.on('unblocked', () => this.#setBlocked(false))
    channel.on('error', (error: Error) => {
      if (isRefusal(error)) this.#refusal = error.message
    })
    channel.on('return', (message) => this.#returned.add(String(message.properties.messageId)))
  }

  /** Resolves with a link that hands every reply to `onReply`. Throws MisconfiguredError where the broker refuses the login. */
  static async open(url: string, exchange: string, onReply: OnReply, signer: MessageSigner): Promise<Link> {
    const model = await openConnection(url)
    model.on('error', () => undefined)
    try {
      const link = new Link(model, await model.createConfirmChannel(), exchange, signer)
      await link.#consume(onReply)
      return link
    } catch (error) {
      await closeQuietly(model)
      throw error
    }
  }

  /**
   * Resolves with whether the broker has confirmed the message; false when the broker refused it or the link was lost.
   * Throws MisconfiguredError where no queue is bound for the message.
   */
  async publish(publication: Publication): Promise<boolean> {
    const { routingKey, body } = publication
    const messageId = randomUUID()
    const confirmed = await new Promise<boolean>((resolve) => {
      const options = { ...this.#signed(publication, messageId), mandatory: true, messageId }
      this.#isFull = !this.#channel.publish(this.#exchange, routingKey, body, options, (error) => resolve(!error))
    }).catch(() => false)
    if (this.#returned.delete(messageId))
      throw this.#unroutable(routingKey, 'no queue is bound, or the node that holds it is down')
    if (!confirmed && this.#refusal) throw this.#unroutable(routingKey, this.#refusal)
    if (confirmed) this.#refusedSince.delete(routingKey)
    else if (this.#isRefusedTooLong(routingKey)) void this.close()
    return confirmed
  }

  /** Calls `callback` when the link is lost, unless the function that is returned was called before. */
  onLost(callback: () => void): () => void {
    if (this.#isLost) callback()
    return this.#lossWaiters.add(callback)
  }

  /**
   * Whether a message may be published now: not while the broker blocks us, or does not read what was sent, since all of it
   * would be buffered here. A lost link is writable: publishing fails at once.
   */
  get isWritable(): boolean {
    return this.#isLost || !(this.#isBlocked || this.#isFull)
  }

  /** Resolves with whether `isWritable` may have become true by the deadline. */
  async untilWritable(deadline: number): Promise<boolean> {
    return this.#writeWaiters.wait(deadline)
  }

  /** Closes the connection, or abandons it when the broker does not answer in time. */
  async close(): Promise<void> {
    await closeQuietly(this.#model)
  }

  #signed({ routingKey, body, properties }: Publication, messageId: string): Options.Publish {
    const { headers, correlationId = '', replyTo = '' } = properties
    const deadline = String(headers?.[DEADLINE_HEADER] ?? '')
    const signature = this.#signer.sign({ routingKey, messageId, correlationId, replyTo, deadline, body })
    return { ...properties, headers: { ...headers, ...signature } }
  }

  /**
   * Returns whether the broker has refused this key for so long that another channel is worth an attempt. A channel whose
   * first message arrives before a quorum queue has a new leader is refused permanently (seen on RabbitMQ 3.10.8).
   */
  #isRefusedTooLong(routingKey: string): boolean {
    const now = performance.now()
    const since = this.#refusedSince.get(routingKey) ?? now
    this.#refusedSince.set(routingKey, since)
    return now - since > CHANNEL_REFUSAL_MS
  }

  #unroutable(routingKey: string, reason: string): MisconfiguredError {
    return new MisconfiguredError(
      `the broker takes no ${routingKey} for ${this.#exchange} (${reason}); run: session-store topology`,
    )
  }

  #markLost(): void {
    this.#isLost = true
    this.#lossWaiters.wake()
    this.#writeWaiters.wake()
  }

  #setBlocked(isBlocked: boolean): void {
    this.#isBlocked = isBlocked
    if (!isBlocked) this.#writeWaiters.wake()
  }

  #drain(): void {
    this.#isFull = false
    this.#writeWaiters.wake()
  }

  async #consume(onReply: OnReply): Promise<void> {
    await this.#channel.assertQueue(this.replyTo, EXCLUSIVE)
    await this.#channel.consume(
      this.replyTo,
      (message) => {
        if (!message) return void this.close() // somebody deleted the queue: no reply would arrive any more
        const { properties, content } = message
        const id = String(properties.correlationId)
        onReply(id, content, this.#signer.findFault(id, content, properties.headers?.[SIGNATURE_HEADER]))
      },
      { noAck: true },
    )
  }
}

/** Whether the broker closed a channel because something does not exist, or access to it is refused. */
export function isRefusal(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === NOT_FOUND || code === ACCESS_REFUSED
}

/**
 * Closes a connection, or abandons it when the broker does not answer in time. The library waits without end for the other
 * side to close the socket, which keeps a program running whose broker is silent.
 */
export async function closeQuietly(model: ChannelModel): Promise<void> {
  await settledWithin(CLOSE_TIMEOUT_MS, model.close())
  const { stream }: { stream?: Duplex } = model.connection as object
  stream?.destroy(new Error('the connection was abandoned')) // with an error, so that the library ends its timers
}
