import type { DeadLetterCode, ErrorReason, Session } from './messages.js'
import type { StoredRecord } from './options.js'

/** Everything this client throws on purpose; its subclasses are sorted by what the caller must do. */
export class SessionStoreError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** The client was shut down, or never initialized. */
export class ClosedError extends SessionStoreError {}

/** The broker has no queue for the message, or does not let us in: a person must act. */
export class MisconfiguredError extends SessionStoreError {}

/** The worker refuses this client's signature: compare the keys, and the clocks. */
export class DistrustedError extends MisconfiguredError {}

/** The event is invalid, as `code` and `reason` say: mend what made it. */
export class RejectedError extends SessionStoreError {
  constructor(
    readonly code: DeadLetterCode,
    readonly reason: string,
  ) {
    super(`${code}: ${reason}`)
  }
}

/** The question is invalid: mend what asked. `details` has one entry a wrong field. */
export class BadRequestError extends SessionStoreError {
  constructor(
    message: string,
    readonly details?: unknown,
  ) {
    super(message)
  }
}

/** The session is not at the expected revision, and nothing changed. `record` is what is stored, or null. */
export class ConflictError<S = Session> extends SessionStoreError {
  constructor(
    sessionId: string,
    expected: number,
    readonly record: StoredRecord<S> | null,
  ) {
    super(
      `${sessionId}: expected revision ${expected}, found ${record ? `revision ${record.revision}` : 'no session'}`,
    )
  }
}

/** The answer would be too large: ask for less. */
export class TooLargeError extends SessionStoreError {}

/** The worker said, up to the deadline, that it cannot answer now. */
export class UnavailableError extends SessionStoreError {
  constructor(
    readonly reason: ErrorReason,
    message: string,
  ) {
    super(`${reason}: ${message}`)
  }
}

/**
 * Nobody answered by the deadline. Of a write it is not known whether it is stored; the same write again with this
 * `eventId` and `revision` is safe, because an event is applied once. `cause` says why, where it is known.
 */
export class TimedOutError extends SessionStoreError {
  constructor(
    what: string,
    cause?: unknown,
    readonly eventId?: string,
    readonly revision?: number,
  ) {
    super(`no answer to ${what} by its deadline${cause instanceof Error ? ` (${cause.message})` : ''}`, { cause })
  }
}

/**
 * All that came by the deadline were answers that none of this client's keys has signed. Such an answer ends no call,
 * because anybody may have sent it. Either somebody did, or the worker has other keys than this client, or none.
 */
export class UntrustedError extends TimedOutError {}

/** The store holds a number that JavaScript has no equal for, neither a number nor a bigint. */
export class UnreadableNumberError extends SessionStoreError {
  constructor(readonly number: string) {
    super(`JavaScript has no number equal to ${number}`)
  }
}
