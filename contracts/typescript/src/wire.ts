import { randomUUID } from 'node:crypto'
import { ClosedError, MisconfiguredError, TimedOutError, UntrustedError } from './errors.js'
import { Link, type Publication, type Seal } from './link.js'
import type { TraceHeaders } from './options.js'
import { Keyring, replyContent, SIGNATURE_HEADER, type SignatureFault } from './signing.js'
import { Coming, type Deferred, defer, first, unlessLate } from './time.js'

const ASK_AGAIN_MS = 2_000
const CLOSE_MS = 3_000
const REST_MS = 50
const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 3_000
const RPC_KEY = 'session.rpc'

/** What to publish; a persistent message survives the broker, another is worth nothing past its deadline. */
export interface Outgoing {
  body: Buffer
  routingKey: string
  contentType: string
  persistent: boolean
  what: string
}

/** One time between `open` and `close`: the link of the moment, or the next one. */
interface Life {
  link: Coming<Link>
  over: Deferred<void>
  isOver: boolean
  kept: Promise<void>
  trouble?: unknown
}

/** Keeps one connection; every call takes a deadline (milliseconds of `performance.now()`) and outlives a reconnection. */
export class Wire {
  readonly #url: string
  readonly #exchange: string
  readonly #traceHeaders: TraceHeaders
  readonly #keyring: Keyring
  readonly #waiting = new Map<string, Deferred<Buffer>>()
  readonly #refused = new Map<string, SignatureFault>()
  #life: Life | undefined

  constructor(url: string, prefix: string, traceHeaders: TraceHeaders = () => undefined, keyring = new Keyring('')) {
    this.#url = url
    this.#exchange = `${prefix}sessions`
    this.#traceHeaders = traceHeaders
    this.#keyring = keyring
  }

  /** Begins to connect; calls wait for it. */
  open(): void {
    if (this.#life) return
    const life: Life = { link: new Coming(), over: defer(), isOver: false, kept: Promise.resolve() }
    life.kept = this.#keep(life)
    this.#life = life
  }

  /** Leaves the connection closed; calls in flight and later ones throw ClosedError. */
  async close(): Promise<void> {
    const life = this.#life
    this.#life = undefined
    if (!life) return
    const closed = new ClosedError('the client was shut down')
    for (const answer of this.#waiting.values()) answer.reject(closed)
    life.link.reject(closed)
    life.isOver = true
    life.over.resolve()
    await unlessLate(CLOSE_MS, life.kept)
  }

  /** Resolves once the broker has confirmed the message on a queue. */
  async publish(message: Outgoing, deadline: number): Promise<void> {
    for (;;) {
      const link = await this.#connected(message.what, deadline)
      if (await first(deadline, link.publish(this.#publication(message, deadline), this.#seal))) return
      await this.#rest(message.what, deadline)
    }
  }

  /** Publishes and resolves with the answer; published again after a reconnection or a long silence. */
  async ask(message: Outgoing, deadline: number): Promise<Buffer> {
    const correlationId = randomUUID()
    const answer = defer<Buffer>()
    this.#waiting.set(correlationId, answer)
    let patience = ASK_AGAIN_MS
    try {
      for (;;) {
        const link = await Promise.race([this.#connected(message.what, deadline), answer.promise])
        if (Buffer.isBuffer(link)) return link // it came while we waited to ask again
        const publication = this.#publication(message, deadline, { correlationId, replyTo: link.replyTo })
        const until = message.persistent ? Math.min(deadline, performance.now() + patience) : deadline
        const body = await this.#attempt(link, publication, answer.promise, until)
        if (body) return body
        if (performance.now() >= until) patience *= 2
        await this.#rest(message.what, deadline)
      }
    } catch (error) {
      const fault = this.#refused.get(correlationId)
      if (!fault || !(error instanceof TimedOutError)) throw error
      throw new UntrustedError(message.what, new Error(`signature ${fault}`))
    } finally {
      this.#waiting.delete(correlationId)
      this.#refused.delete(correlationId)
    }
  }

  /** Publishes, and resolves with the answer; with nothing when it is late, was not confirmed or the link was lost. */
  async #attempt(
    link: Link,
    publication: Publication,
    answer: Promise<Buffer>,
    until: number,
  ): Promise<Buffer | undefined> {
    const failed = defer<undefined>()
    let forget = (): void => undefined
    let isOver = false
    const fail = () => failed.resolve(undefined)
    link.publish(publication, this.#seal).then((confirmed) => {
      if (!confirmed) fail()
      else if (!isOver) forget = link.onLost(fail)
    }, failed.reject)
    try {
      return await first<Buffer | undefined>(until, answer, failed.promise)
    } finally {
      isOver = true
      forget()
    }
  }

  async #connected(what: string, deadline: number): Promise<Link> {
    if (!this.#life) throw new ClosedError('the client is not open')
    const link = await this.#life.link.within(deadline)
    if (!link) throw new TimedOutError(what, this.#life?.trouble)
    while (!link.isWritable) {
      if (await link.untilWritable(deadline)) continue
      throw new TimedOutError(what, new Error('the broker takes no messages now'))
    }
    return link
  }

  #publication(message: Outgoing, deadline: number, answerTo: object = {}): Publication {
    const { body, routingKey, contentType, persistent } = message
    const left = Math.max(Math.floor(deadline - performance.now()), 1)
    const request = routingKey === RPC_KEY
    const headers = { ...this.#traceHeaders(), ...(request && { deadline: Date.now() + left }) }
    const limits = request ? { expiration: left } : {}
    return {
      exchange: this.#exchange,
      routingKey,
      body,
      properties: { contentType, persistent, headers, ...answerTo, ...limits },
    }
  }

  /** Returns the headers of a publication, signed where there are keys. */
  readonly #seal: Seal = ({ exchange, routingKey, body, properties }, messageId) => {
    const { headers, correlationId = '', replyTo = '' } = properties
    if (this.#keyring.isEmpty) return headers
    const deadline = String(headers.deadline ?? '')
    const content = { exchange, routingKey, messageId, correlationId, replyTo, deadline, body }
    return { ...headers, [SIGNATURE_HEADER]: this.#keyring.sign(content) }
  }

  async #rest(what: string, deadline: number): Promise<void> {
    if (!this.#life) throw new ClosedError('the client was shut down')
    if (performance.now() >= deadline) throw new TimedOutError(what, this.#life.trouble)
    await unlessLate(Math.random() * REST_MS, this.#life.over.promise)
  }

  /** Connects, waits for the loss and connects again, until the life is over. */
  async #keep(life: Life): Promise<void> {
    for (let wait = FIRST_WAIT_MS; !life.isOver; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      try {
        await this.#hold(life, await this.#connect())
        wait = FIRST_WAIT_MS
      } catch (error) {
        life.trouble = error
        if (error instanceof MisconfiguredError) this.#refuse(life, error)
      }
      await unlessLate((wait * (1 + Math.random())) / 2, life.over.promise)
    }
  }

  #connect(): Promise<Link> {
    return Link.open(this.#url, (correlationId, body, signature) => this.#take(correlationId, body, signature))
  }

  /** Hands an answer to whoever waits. One that is not signed ends no call: the genuine one may still come. */
  #take(correlationId: string, body: Buffer, signature: unknown): void {
    const waiting = this.#waiting.get(correlationId)
    if (!waiting) return
    const content = replyContent(this.#exchange, correlationId, body)
    const fault = this.#keyring.isEmpty ? undefined : this.#keyring.findFault(signature, content)
    if (fault) this.#refused.set(correlationId, fault)
    else waiting.resolve(body)
  }

  async #hold(life: Life, link: Link): Promise<void> {
    life.trouble = undefined
    life.link.resolve(link)
    await Promise.race([link.lost, life.over.promise])
    life.trouble = new Error('the connection was lost')
    life.link = new Coming()
    await link.close()
  }

  /** Tells the calls that wait; the next attempt may find the login mended. */
  #refuse(life: Life, error: MisconfiguredError): void {
    const refused = life.link
    life.link = new Coming()
    refused.reject(error)
  }
}
