import type { DeadLetterCode, ErrorReason, Session } from './messages.js'
import type { StoredRecord } from './replies.js'

/** The base of every error that this client throws on purpose; its subclasses are sorted by what the caller must do. */
export class SessionStoreError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = new.target.name
  }
}

/** The client was shut down, or never initialized. */
export class ClosedError extends SessionStoreError {}

/** The broker has no queue for the message, or refuses the login: an operator must act. */
export class MisconfiguredError extends SessionStoreError {}

/** The worker refuses this client's signature: an operator must compare the keys and the clocks. */
export class SignatureRefusedError extends MisconfiguredError {}

/** The event is invalid, as `code` and `reason` say: correct the code that made it. */
export class RejectedError extends SessionStoreError {
  constructor(
    readonly code: DeadLetterCode,
    readonly reason: string,
  ) {
    super(`${code}: ${reason}`)
  }
}

/** The request is invalid: correct the code that made it. `details` has one entry for each wrong field. */
export class BadRequestError extends SessionStoreError {
  constructor(
    message: string,
    readonly details?: unknown,
  ) {
    super(message)
  }
}

/** The session is not at the expected revision, and nothing changed. `record` is the stored one, or null. */
export class ConflictError<S = Session> extends SessionStoreError {
  constructor(
    sessionId: string,
    expected: number,
    readonly record: StoredRecord<S> | null,
    reason = '',
  ) {
    const found = record ? `revision ${record.revision}` : 'no session'
    super(`${sessionId}: expected revision ${expected}, found ${found}${reason}`)
  }
}

/** The states of a conflict: `mine` and `theirs`, which is stored, were both made of `base`. Null stands for no session. */
export interface ConflictStates<S = Session> {
  base: S | null
  mine: S
  theirs: S | null
}

/**
 * Another engine changed the session since it was read, and the changes exclude each other: nothing changed. `states` has all
 * three states, `collisions` the places that both changed, as JSON Pointers (the empty one is the whole session).
 */
export class CollisionError<S = Session> extends ConflictError<S> {
  constructor(
    sessionId: string,
    expected: number,
    record: StoredRecord<S> | null,
    readonly states: ConflictStates<S>,
    readonly collisions: string[],
  ) {
    const places = collisions.filter(Boolean).slice(0, 5).join(', ')
    super(sessionId, expected, record, places && `: both changed ${places}`)
  }
}

/** There is no session of this id. */
export class NotFoundError extends SessionStoreError {
  constructor(readonly sessionId: string) {
    super(`there is no session ${sessionId}`)
  }
}

/** The reply would be too large: ask for less. */
export class TooLargeError extends SessionStoreError {}

/** Up to the deadline the worker replied that it cannot serve. */
export class UnavailableError extends SessionStoreError {
  constructor(
    readonly reason: ErrorReason,
    message: string,
  ) {
    super(`${reason}: ${message}`)
  }
}

/**
 * No reply came by the deadline. Of a write it is unknown whether it is stored; the same write again with this
 * `eventId` and `revision` is safe, because an event is applied once. `cause` says why, where it is known.
 */
export class TimedOutError extends SessionStoreError {
  constructor(
    call: string,
    cause?: unknown,
    readonly eventId?: string,
    readonly revision?: number,
  ) {
    super(`no answer to ${call} by its deadline${cause instanceof Error ? ` (${cause.message})` : ''}`, { cause })
  }
}

/**
 * Every reply that came by the deadline had a signature that none of this client's keys verifies. Such a reply does not end
 * a call, because anybody may have sent it. Either somebody forged it, or the worker has other keys than this client, or none.
 */
export class ReplyUnverifiedError extends TimedOutError {}

/** The store holds a number that JavaScript has no equal for, neither a number nor a bigint. */
export class UnreadableNumberError extends SessionStoreError {
  constructor(readonly number: string) {
    super(`JavaScript has no number equal to ${number}`)
  }
}
