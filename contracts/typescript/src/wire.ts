import { randomUUID } from 'node:crypto'
import { type Channel, Connection, type ReturnedMessage } from 'rabbitmq-client'
import { ClosedError, MisconfiguredError, TimedOutError } from './errors.js'

const ASK_AGAIN_MS = 2_000
const REST_MS = 50
const RPC_KEY = 'session.rpc'

/** What to publish; a persistent message survives the broker, another is worth nothing past its deadline. */
export interface Outgoing {
  body: Buffer
  routingKey: string
  contentType: string
  persistent: boolean
  what: string
}

interface Link {
  channel: Channel
  replyTo: string
  returned: Set<string>
  lost: Promise<void>
}

/** Resolves at a deadline (milliseconds of `performance.now()`) with nothing. */
function until(deadline: number): { reached: Promise<undefined>; cancel: () => void } {
  let timer: NodeJS.Timeout
  const reached = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.max(deadline - performance.now(), 0))
  })
  return { reached, cancel: () => clearTimeout(timer) }
}

/** Resolves with the first of the promises, or with nothing at the deadline. */
async function first<T>(deadline: number, ...promises: Promise<T>[]): Promise<T | undefined> {
  const timer = until(deadline)
  try {
    return await Promise.race([...promises, timer.reached])
  } finally {
    timer.cancel()
  }
}

/**
 * Keeps one connection and one channel; every call outlives a reconnection until its deadline.
 *
 * Replies come to an exclusive queue of this client and not by direct reply-to, which would bind every question to
 * the one channel that consumes the answers.
 */
export class Wire {
  readonly #url: string
  readonly #prefix: string
  readonly #waiting = new Map<string, (answer: unknown) => void>()
  #connection: Connection | undefined
  #link: Promise<Link> | undefined
  #refused: string | undefined

  constructor(url: string, prefix: string) {
    this.#url = url
    this.#prefix = prefix
  }

  /** Begins to connect; calls wait for it. */
  open(): void {
    if (this.#connection) return
    this.#connection = new Connection({
      url: this.#url,
      connectionName: 'session-store-client',
      heartbeat: 5,
      connectionTimeout: 5_000,
      acquireTimeout: 5_000,
      retryLow: 100,
      retryHigh: 3_000,
      noDelay: true,
    })
    this.#connection.on('error', (error: { code?: string; message?: string }) => {
      if (error.code === 'ACCESS_REFUSED') this.#refused = error.message ?? 'access refused'
    })
    this.#connection.on('connection', () => {
      this.#refused = undefined
    })
  }

  /** Leaves the connection closed; calls in flight end with ClosedError. */
  async close(): Promise<void> {
    const connection = this.#connection
    this.#connection = undefined
    this.#link = undefined
    for (const answer of this.#waiting.values()) answer(new ClosedError('the client was shut down'))
    connection?.unsafeDestroy()
  }

  /** Resolves once the broker has confirmed the message on a queue. */
  async publish(message: Outgoing, deadline: number): Promise<void> {
    for (;;) {
      const link = await this.#connected(message.what, deadline)
      if (await this.#send(link, message, deadline)) return
      await this.#rest(message.what, deadline)
    }
  }

  /** Publishes and resolves with the answer; published again after a reconnection or a long silence. */
  async ask(message: Outgoing, deadline: number): Promise<unknown> {
    const correlationId = randomUUID()
    let answered: unknown
    const answer = new Promise<unknown>((resolve) => {
      this.#waiting.set(correlationId, (value) => {
        answered = value
        resolve(value)
      })
    })
    try {
      for (;;) {
        const link = await this.#connected(message.what, deadline)
        if (await this.#send(link, message, deadline, correlationId)) {
          const patience = message.persistent ? Math.min(deadline, performance.now() + ASK_AGAIN_MS) : deadline
          await first<unknown>(patience, answer, link.lost)
        }
        if (answered instanceof ClosedError) throw answered
        if (answered !== undefined) return answered
        await this.#rest(message.what, deadline)
      }
    } finally {
      this.#waiting.delete(correlationId)
    }
  }

  async #connected(what: string, deadline: number): Promise<Link> {
    while (this.#connection) {
      this.#link ??= this.#connect(this.#connection)
      const link = await first(
        deadline,
        this.#link.catch(() => null),
      )
      if (link) return link
      this.#link = undefined
      if (this.#refused) throw new MisconfiguredError(`the broker refuses the login: ${this.#refused}`)
      await this.#rest(what, deadline)
    }
    throw new ClosedError('the client is not open')
  }

  async #connect(connection: Connection): Promise<Link> {
    const channel = await connection.acquire({ emitErrorsFromChannel: true })
    const returned = new Set<string>()
    const lost = new Promise<void>((resolve) => channel.on('close', resolve))
    channel.on('error', () => undefined)
    channel.on('basic.return', (message: ReturnedMessage) => returned.add(String(message.messageId)))
    lost.then(() => {
      this.#link = undefined
    })
    const replyTo = `session.reply.${randomUUID()}`
    await channel.confirmSelect()
    await channel.queueDeclare({ queue: replyTo, exclusive: true })
    await channel.basicConsume({ queue: replyTo, noAck: true }, (message) => {
      this.#waiting.get(String(message.correlationId))?.(message.body)
    })
    return { channel, replyTo, returned, lost }
  }

  /** Resolves with whether the broker has the message; throws where no queue is bound for it. */
  async #send(link: Link, message: Outgoing, deadline: number, correlationId?: string): Promise<boolean> {
    const messageId = randomUUID()
    const left = Math.max(Math.floor(deadline - performance.now()), 1)
    const request = message.routingKey === RPC_KEY
    const publishing = link.channel.basicPublish(
      {
        exchange: `${this.#prefix}sessions`,
        routingKey: message.routingKey,
        mandatory: true,
        durable: message.persistent,
        contentType: message.contentType,
        messageId,
        ...(correlationId && { correlationId, replyTo: link.replyTo }),
        ...(request && { expiration: String(left), headers: { deadline: Date.now() + left } }),
      },
      message.body,
    )
    const sent = await first(
      deadline,
      publishing.then(
        () => true,
        (error: { code?: string }) => this.#judge(error, message),
      ),
    )
    if (link.returned.delete(messageId)) throw this.#unroutable(message)
    return sent ?? false
  }

  #judge(error: { code?: string }, message: Outgoing): false {
    if (error.code === 'NOT_FOUND') throw this.#unroutable(message)
    return false
  }

  #unroutable(message: Outgoing): MisconfiguredError {
    const queue = `${this.#prefix}${message.routingKey}`
    return new MisconfiguredError(`the broker has no queue ${queue}; run: session-store topology`)
  }

  async #rest(what: string, deadline: number): Promise<void> {
    if (!this.#connection) throw new ClosedError('the client was shut down')
    if (performance.now() >= deadline) throw new TimedOutError(what)
    await until(Math.min(deadline, performance.now() + Math.random() * REST_MS)).reached
  }
}
