import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { type ChannelModel, type ConfirmChannel, connect, type Options } from 'amqplib'
import { MisconfiguredError } from './errors.js'
import { splitHosts } from './hosts.js'
import { SIGNATURE_HEADER } from './signing.js'
import { unlessLate, Waiters } from './time.js'
import { tlsOptions } from './tls.js'

const HEARTBEAT_SECONDS = '5'

/** How a client declares the queues that go with its connection, whatever type a virtual host has by default. */
export const EXCLUSIVE = { exclusive: true, durable: false, arguments: { 'x-queue-type': 'classic' } }
const CONNECT_MS = 5_000
const CLOSE_MS = 2_000
const REFUSED_MS = 1_000
const ACCESS_REFUSED = 403
const NOT_FOUND = 404
/** The library tells a refused login from other ends of the handshake in words alone. */
const REFUSED = /^Handshake terminated by server: 403 /

/** What to publish: to which exchange, with which key and properties. */
export interface Publication {
  exchange: string
  routingKey: string
  body: Buffer
  properties: Options.Publish
}

/** Receives the body of each reply with its correlation id, and its signature, whatever that is. */
export type Receive = (correlationId: string, body: Buffer, signature?: unknown) => void

/** Returns the headers that a message takes when it is published under an id. */
export type Seal = (publication: Publication, messageId: string) => { [name: string]: unknown }

/**
 * One life of the connection, with one channel: it publishes with confirms and receives replies.
 *
 * Replies come to an exclusive queue of this client and not by direct reply-to, which would bind every question to
 * the one channel that consumes the answers.
 */
export class Link {
  readonly replyTo = `session.reply.${randomUUID()}`
  readonly lost: Promise<undefined>
  readonly #model: ChannelModel
  readonly #channel: ConfirmChannel
  readonly #returned = new Set<string>()
  readonly #refused = new Map<string, number>()
  readonly #mourners = new Waiters()
  readonly #writers = new Waiters()
  #isLost = false
  #isBlocked = false
  #isFull = false
  #refusal: string | undefined

  private constructor(model: ChannelModel, channel: ConfirmChannel) {
    this.#model = model
    this.#channel = channel
    this.lost = new Promise((resolve) => this.onLost(() => resolve(undefined)))
    channel.on('close', () => this.#lose())
    channel.on('drain', () => this.#drain())
    model.on('blocked', () => this.#block(true))
    model.on('unblocked', () => this.#block(false))
    channel.on('error', (error: Error) => {
      if (isRefusal(error)) this.#refusal = error.message
    })
    channel.on('return', (message) => this.#returned.add(String(message.properties.messageId)))
  }

  /** Resolves with a link that is ready. Throws MisconfiguredError where the broker refuses the login. */
  static async open(url: string, receive: Receive): Promise<Link> {
    const model = await connectTo(url)
    model.on('error', () => undefined)
    try {
      const link = new Link(model, await model.createConfirmChannel())
      await link.#consume(receive)
      return link
    } catch (error) {
      await closeQuietly(model)
      throw error
    }
  }

  /**
   * Resolves with whether the broker has confirmed the message; not, when it refused it or the link was lost.
   * Throws MisconfiguredError where no queue is bound for it.
   */
  async publish(publication: Publication, seal: Seal = unsealed): Promise<boolean> {
    const { exchange, routingKey, body, properties } = publication
    const messageId = randomUUID()
    const confirmed = await new Promise<boolean>((resolve) => {
      const options = { ...properties, headers: seal(publication, messageId), mandatory: true, messageId }
      this.#isFull = !this.#channel.publish(exchange, routingKey, body, options, (error) => resolve(!error))
    }).catch(() => false)
    if (this.#returned.delete(messageId))
      throw unroutable(exchange, routingKey, 'no queue is bound, or the node that holds it is down')
    if (!confirmed && this.#refusal) throw unroutable(exchange, routingKey, this.#refusal)
    if (confirmed) this.#refused.delete(routingKey)
    else if (this.#isRefusedTooLong(routingKey)) void this.close()
    return confirmed
  }

  /**
   * Returns whether the broker has refused what goes there for a while: another channel may fare better. One whose
   * first message comes before a quorum queue has a new leader is refused for ever (seen on RabbitMQ 3.10.8).
   */
  #isRefusedTooLong(routingKey: string): boolean {
    const now = performance.now()
    const since = this.#refused.get(routingKey) ?? now
    this.#refused.set(routingKey, since)
    return now - since > REFUSED_MS
  }

  /** Calls `tell` when the link is over, unless what is returned was called before. */
  onLost(tell: () => void): () => void {
    if (this.#isLost) tell()
    return this.#mourners.add(tell)
  }

  /**
   * Whether a message may be published now: not while the broker has blocked us or does not read what we sent, since all of
   * it would be kept here. A link that is over is no longer in the way.
   */
  get isWritable(): boolean {
    return this.#isLost || !(this.#isBlocked || this.#isFull)
  }

  /** Resolves with whether that may have become so by the deadline. */
  async untilWritable(deadline: number): Promise<boolean> {
    return this.#writers.wait(deadline)
  }

  /** Leaves the connection closed. */
  async close(): Promise<void> {
    await closeQuietly(this.#model)
  }

  #lose(): void {
    this.#isLost = true
    this.#mourners.wake()
    this.#writers.wake()
  }

  #block(isBlocked: boolean): void {
    this.#isBlocked = isBlocked
    if (!isBlocked) this.#writers.wake()
  }

  #drain(): void {
    this.#isFull = false
    this.#writers.wake()
  }

  async #consume(receive: Receive): Promise<void> {
    await this.#channel.assertQueue(this.replyTo, EXCLUSIVE)
    await this.#channel.consume(
      this.replyTo,
      (message) => {
        const { properties, content } = message ?? {}
        if (content) receive(String(properties?.correlationId), content, properties?.headers?.[SIGNATURE_HEADER])
        else void this.close() // somebody deleted the queue: nothing would be answered any more
      },
      { noAck: true },
    )
  }
}

/** Whether the broker closed a channel because something is not there, or not for us. */
export function isRefusal(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === NOT_FOUND || code === ACCESS_REFUSED
}

function unsealed({ properties }: Publication): { [name: string]: unknown } {
  return properties.headers
}

function unroutable(exchange: string, routingKey: string, reason: string): MisconfiguredError {
  return new MisconfiguredError(
    `the broker takes no ${routingKey} for ${exchange} (${reason}); run: session-store topology`,
  )
}

/**
 * Leaves a connection closed, or abandoned when the broker does not answer in time. The library waits for the other side's
 * end of the socket without end, which keeps a program running whose broker says nothing any more.
 */
export async function closeQuietly(model: ChannelModel): Promise<void> {
  await unlessLate(CLOSE_MS, model.close())
  const { stream }: { stream?: Duplex } = model.connection as object
  stream?.destroy(new Error('the connection was abandoned')) // as an error, so that the library ends its own timers
}

/** Resolves with a connection to the first of the URL's hosts that answers; each has its share of the time.
 * Throws MisconfiguredError where the broker refuses the login. */
export async function connectTo(url: string): Promise<ChannelModel> {
  const hosts = splitHosts(url)
  let failure: unknown
  for (const host of hosts) {
    try {
      return await connectToHost(host, CONNECT_MS / hosts.length)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

async function connectToHost(url: string, timeout: number): Promise<ChannelModel> {
  try {
    return await connect(withHeartbeat(url), {
      ...tlsOptions(new URL(url)),
      noDelay: true,
      timeout,
      clientProperties: { connection_name: 'session-store-client' },
    })
  } catch (error) {
    if (error instanceof Error && REFUSED.test(error.message)) {
      throw new MisconfiguredError(`the broker refuses the login: ${error.message}`, { cause: error })
    }
    throw error
  }
}

function withHeartbeat(url: string): string {
  const complete = new URL(url)
  if (!complete.searchParams.has('heartbeat')) complete.searchParams.set('heartbeat', HEARTBEAT_SECONDS)
  return complete.href
}
