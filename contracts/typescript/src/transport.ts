import { randomUUID } from 'node:crypto'
import { ClosedError, MisconfiguredError, ReplyUnverifiedError, TimedOutError } from './errors.js'
import type { OutgoingMessage } from './events.js'
import {
  CLOSE_TIMEOUT_MS,
  MAX_RECONNECT_DELAY_MS,
  RECONNECT_DELAY_MS,
  REPUBLISH_DELAY_MS,
  REPUBLISH_UNANSWERED_MS,
} from './limits.js'
import { Link, type Publication } from './link.js'
import type { TraceHeaders } from './options.js'
import { MessageSigner } from './signer.js'
import { Keyring, type SignatureFault } from './signing.js'
import { DEADLINE_HEADER, RPC_KEY, SESSIONS_EXCHANGE } from './topology.js'
import { type Deferred, defer, Latch, raceUntil, settledWithin } from './waiting.js'

/** The time between `open` and `close`: the current link, or the next one. */
interface Connecting {
  link: Latch<Link>
  over: Deferred<void>
  isOver: boolean
  ended: Promise<void>
  lastFailure?: unknown
}

/** Keeps one connection; every call takes a deadline (milliseconds of `performance.now()`) and outlives a reconnection. */
export class Transport {
  readonly #url: string
  readonly #exchange: string
  readonly #traceHeaders: TraceHeaders
  readonly #signer: MessageSigner
  readonly #waiting = new Map<string, Deferred<Buffer>>()
  readonly #signatureFaults = new Map<string, SignatureFault>()
  #connecting: Connecting | undefined

  constructor(url: string, prefix: string, traceHeaders: TraceHeaders = () => undefined, keyring = new Keyring('')) {
    this.#url = url
    this.#exchange = `${prefix}${SESSIONS_EXCHANGE}`
    this.#traceHeaders = traceHeaders
    this.#signer = new MessageSigner(keyring, this.#exchange)
  }

  /** Starts to connect; calls wait for the connection. */
  open(): void {
    if (this.#connecting) return
    const connecting: Connecting = { link: new Latch(), over: defer(), isOver: false, ended: Promise.resolve() }
    connecting.ended = this.#stayConnected(connecting)
    this.#connecting = connecting
  }

  /** Closes the connection; calls in flight and later ones throw ClosedError. */
  async close(): Promise<void> {
    const connecting = this.#connecting
    this.#connecting = undefined
    if (!connecting) return
    const closed = new ClosedError('the client was shut down')
    for (const reply of this.#waiting.values()) reply.reject(closed)
    connecting.link.reject(closed)
    connecting.isOver = true
    connecting.over.resolve()
    await settledWithin(CLOSE_TIMEOUT_MS + 1_000, connecting.ended)
  }

  /** Resolves once the broker has confirmed the message on a queue. */
  async publish(message: OutgoingMessage, deadline: number): Promise<void> {
    let patience: number = REPUBLISH_UNANSWERED_MS
    for (;;) {
      const link = await this.#connected(message.call, deadline)
      const until = Math.min(deadline, performance.now() + patience)
      if (await raceUntil(until, link.publish(this.#publication(message, deadline)))) return
      if (performance.now() >= until) patience *= 2
      await this.#pause(message.call, deadline)
    }
  }

  /**
   * Publishes, and resolves with the reply; the same message is published again after the loss of a link. It is published
   * again after a silence too: where the broker does not confirm it, and where it `repeats` and no reply comes. A broker that
   * loses a node loses confirms and replies.
   */
  async request(message: OutgoingMessage, deadline: number): Promise<Buffer> {
    const correlationId = randomUUID()
    const reply = defer<Buffer>()
    this.#waiting.set(correlationId, reply)
    let patience: number = REPUBLISH_UNANSWERED_MS
    try {
      for (;;) {
        const link = await Promise.race([this.#connected(message.call, deadline), reply.promise])
        if (Buffer.isBuffer(link)) return link // it came while we waited to publish again
        const publication = this.#publication(message, deadline, { correlationId, replyTo: link.replyTo })
        const until = Math.min(deadline, performance.now() + patience)
        const body = await this.#attempt(link, publication, reply.promise, until, message.repeats ? until : deadline)
        if (body) return body
        if (performance.now() >= until) patience *= 2
        await this.#pause(message.call, deadline)
      }
    } catch (error) {
      const fault = this.#signatureFaults.get(correlationId)
      if (!fault || !(error instanceof TimedOutError)) throw error
      throw new ReplyUnverifiedError(message.call, new Error(`signature ${fault}`))
    } finally {
      this.#waiting.delete(correlationId)
      this.#signatureFaults.delete(correlationId)
    }
  }

  /**
   * Publishes, and resolves with the reply; with nothing when the link was lost, there is no confirm by `confirmedBy` or no
   * reply by `repliedBy`.
   */
  async #attempt(
    link: Link,
    publication: Publication,
    reply: Promise<Buffer>,
    confirmedBy: number,
    repliedBy: number,
  ): Promise<Buffer | undefined> {
    const failed = defer<undefined>()
    let removeWaiter = (): void => undefined
    let isConfirmed = false
    let isOver = false
    const fail = () => failed.resolve(undefined)
    link.publish(publication).then((confirmed) => {
      isConfirmed = confirmed
      if (!confirmed) fail()
      else if (!isOver) removeWaiter = link.onLost(fail)
    }, failed.reject)
    try {
      const body = await raceUntil<Buffer | undefined>(confirmedBy, reply, failed.promise)
      return body || !isConfirmed ? body : await raceUntil<Buffer | undefined>(repliedBy, reply, failed.promise)
    } finally {
      isOver = true
      removeWaiter()
    }
  }

  async #connected(call: string, deadline: number): Promise<Link> {
    if (!this.#connecting) throw new ClosedError('the client is not open')
    const link = await this.#connecting.link.wait(deadline)
    if (!link) throw new TimedOutError(call, this.#connecting?.lastFailure)
    while (!link.isWritable) {
      if (await link.untilWritable(deadline)) continue
      throw new TimedOutError(call, new Error('the broker takes no messages now'))
    }
    return link
  }

  #publication(message: OutgoingMessage, deadline: number, replyProperties: object = {}): Publication {
    const { body, routingKey, contentType, persistent } = message
    const left = Math.max(Math.floor(deadline - performance.now()), 1)
    const isRequest = routingKey === RPC_KEY
    const headers = { ...this.#traceHeaders(), ...(isRequest && { [DEADLINE_HEADER]: Date.now() + left }) }
    const limits = isRequest ? { expiration: left } : {}
    return { routingKey, body, properties: { contentType, persistent, headers, ...replyProperties, ...limits } }
  }

  async #pause(call: string, deadline: number): Promise<void> {
    if (!this.#connecting) throw new ClosedError('the client was shut down')
    if (performance.now() >= deadline) throw new TimedOutError(call, this.#connecting.lastFailure)
    await settledWithin(jittered(REPUBLISH_DELAY_MS), this.#connecting.over.promise)
  }

  /** Connects, waits for the loss and connects again, until `close`. */
  async #stayConnected(connecting: Connecting): Promise<void> {
    let delay: number = RECONNECT_DELAY_MS
    while (!connecting.isOver) {
      try {
        const link = await Link.open(this.#url, this.#exchange, this.#onReply, this.#signer)
        delay = RECONNECT_DELAY_MS
        await this.#useUntilLost(connecting, link)
      } catch (error) {
        connecting.lastFailure = error
        if (error instanceof MisconfiguredError) this.#failWaiting(connecting, error)
        delay = Math.min(delay * 2, MAX_RECONNECT_DELAY_MS)
      }
      await settledWithin(jittered(delay), connecting.over.promise)
    }
  }

  async #useUntilLost(connecting: Connecting, link: Link): Promise<void> {
    connecting.lastFailure = undefined
    connecting.link.resolve(link)
    await Promise.race([link.lost, connecting.over.promise])
    connecting.lastFailure = new Error('the connection was lost')
    connecting.link = new Latch()
    await link.close()
  }

  /** Fails the calls that wait for a connection; the next attempt may find the misconfiguration corrected. */
  #failWaiting(connecting: Connecting, error: MisconfiguredError): void {
    const refused = connecting.link
    connecting.link = new Latch()
    refused.reject(error)
  }

  /** Settles the call that a reply belongs to. One that is not signed ends no call: the genuine one may still come. */
  readonly #onReply = (correlationId: string, body: Buffer, fault: SignatureFault | undefined): void => {
    const waiting = this.#waiting.get(correlationId)
    if (!waiting) return
    if (fault) this.#signatureFaults.set(correlationId, fault)
    else waiting.resolve(body)
  }
}

function jittered(milliseconds: number): number {
  return (milliseconds * (1 + Math.random())) / 2
}
