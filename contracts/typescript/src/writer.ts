import { randomUUID } from 'node:crypto'
import type { HybridClock, PendingWrites } from './clock.js'
import { decode, encode } from './encoding.js'
import { ConflictError, RejectedError, ReplyUnverifiedError, TimedOutError } from './errors.js'
import { checkEvent, eventMessage, type OutgoingEvent, type OutgoingMessage, sessionIdOf } from './events.js'
import type { Confirmation, Receipt } from './messages.js'
import type { ResolvedOptions, WriteOptions } from './options.js'
import type { SessionReader } from './reader.js'
import type { WriteResult } from './replies.js'
import { DELETE_KEY, ERASE_KEY, WRITE_KEY } from './topology.js'
import type { Transport } from './transport.js'

/**
 * Gives each event a revision and an id, where the caller has none, publishes it, and resolves with its outcome or throws it.
 * Deadlines are milliseconds of `performance.now()`.
 */
export class SessionWriter<S extends object> {
  readonly #transport: Transport
  readonly #reader: SessionReader<S>
  readonly #clock: HybridClock
  readonly #pending: PendingWrites
  readonly #options: ResolvedOptions

  constructor(
    transport: Transport,
    reader: SessionReader<S>,
    clock: HybridClock,
    pending: PendingWrites,
    options: ResolvedOptions,
  ) {
    this.#transport = transport
    this.#reader = reader
    this.#clock = clock
    this.#pending = pending
    this.#options = options
  }

  /** Creates or replaces a session; `encoded` is its JSON, for a caller that has it. */
  async write(session: S, options: WriteOptions, deadline: number, encoded?: Buffer): Promise<WriteResult> {
    const event = this.#event(WRITE_KEY, sessionIdOf(session), options)
    return this.#publish({ ...event, session: encoded ?? encode(session) }, deadline)
  }

  /**
   * Deletes a session. Where an engine whose clock is ahead had written a greater revision, the delete is repeated above
   * that. It is not repeated above a write that this client made after the call.
   */
  async delete(sessionId: string, options: WriteOptions, deadline: number): Promise<WriteResult> {
    const isRepeatable = options.revision === undefined && options.eventId === undefined
    for (;;) {
      const result = await this.#publish(this.#event(DELETE_KEY, sessionId, options), deadline)
      const isLost = result.outcome === 'superseded' && isRepeatable && this.#clock.isBehind(sessionId)
      if (!(isLost && this.#clock.isLatest(sessionId, result.revision))) return result
    }
  }

  /** Erases a player's sessions up to the revision (now); resolves with the receipt. */
  async erase(playerId: string, revision: number | undefined, deadline: number): Promise<Receipt> {
    const event = this.#event(ERASE_KEY, playerId, revision === undefined ? {} : { revision })
    const reply = await this.#transport.request(eventMessage(event, this.#options), deadline)
    const confirmation = decode(reply) as Confirmation
    if (confirmation.receipt) return confirmation.receipt
    throw new RejectedError(confirmation.code ?? 'bad_schema', confirmation.message ?? '')
  }

  #event(type: OutgoingEvent['type'], subject: string, options: WriteOptions): OutgoingEvent {
    const { expectedRevision = null, revision = this.#clock.next(subject), eventId = randomUUID() } = options
    return { type, subject, revision, expectedRevision, eventId }
  }

  async #publish(event: OutgoingEvent, deadline: number): Promise<WriteResult> {
    const message = eventMessage(event, this.#options)
    try {
      if (this.#mayQueue(event)) return await this.#queue(event, message, deadline)
      const confirmation = decode(await this.#transport.request(message, deadline)) as Confirmation
      return await this.#resultOf(confirmation, event, deadline)
    } catch (error) {
      if (!(error instanceof TimedOutError)) throw error
      const Kind = error instanceof ReplyUnverifiedError ? ReplyUnverifiedError : TimedOutError
      throw new Kind(message.call, error.cause, event.eventId, event.revision)
    }
  }

  #mayQueue({ type, subject, expectedRevision }: OutgoingEvent): boolean {
    const isUnconditionalWrite = type === WRITE_KEY && expectedRevision === null
    return this.#options.durability === 'queued' && isUnconditionalWrite && this.#pending.hasRoomFor(subject)
  }

  async #queue(event: OutgoingEvent, message: OutgoingMessage, deadline: number): Promise<WriteResult> {
    const { subject, revision, eventId } = event
    checkEvent(message.body)
    await this.#transport.publish(message, deadline)
    this.#pending.add(subject, revision)
    this.#clock.observe(subject, revision)
    return { eventId, revision }
  }

  /** Resolves with the confirmed outcome, or throws it. */
  async #resultOf(confirmation: Confirmation, event: OutgoingEvent, deadline: number): Promise<WriteResult> {
    const { subject, revision, expectedRevision, eventId } = event
    if (confirmation.code) throw new RejectedError(confirmation.code, confirmation.message ?? '')
    const own = confirmation.outcome === 'conflict' ? 0 : revision // otherwise this event was applied, or a greater one
    const applied = Math.max(confirmation.revision ?? 0, own)
    this.#clock.observe(subject, applied)
    this.#pending.settle(subject, applied)
    const outcome = confirmation.first ?? confirmation.outcome
    if (expectedRevision !== null && (outcome === 'conflict' || outcome === 'superseded')) {
      throw new ConflictError(subject, expectedRevision, await this.#reader.read(subject, 0, deadline))
    }
    return { eventId, revision, outcome }
  }
}
