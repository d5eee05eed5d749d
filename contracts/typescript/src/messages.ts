// Generated from contracts/schemas by scripts/generate-types.mjs. Do not edit.

/**
 * One encounter of one player; any other top-level field is kept and comes back unchanged.
 */
export interface Session {
  sessionId: string
  playerId: string
  encounter: {
    [k: string]: unknown
  }
  state: {
    [k: string]: unknown
  }
  startedAt: string
  completedAt?: string | null
  [k: string]: unknown
}

/**
 * A stored session, the revision that made it so, and when its row was created and last changed.
 */
export interface Record {
  session: Session
  revision: number
  createdAt: string
  updatedAt: string
  [k: string]: unknown
}
export type Change = SessionStored | SessionDeleted

/**
 * The session is stored in this state; `id` is the id of the event that wrote it, also in a repeated message.
 */
export interface SessionStored {
  specversion: '1.0'
  id: string
  source: string
  subject: string
  time?: string | null
  type: 'session.stored'
  data: StoredContent
  [k: string]: unknown
}
/**
 * The session as it is stored, and its revision.
 */
export interface StoredContent {
  revision: number
  session: Session
  [k: string]: unknown
}
/**
 * The session does not exist; `id` is the id of the event that deleted it, also in a repeated message.
 *
 * A session that an erasure removed has an id made of session and revision, greater than the id of any event.
 */
export interface SessionDeleted {
  specversion: '1.0'
  id: string
  source: string
  subject: string
  time?: string | null
  type: 'session.deleted'
  data: DeletedContent
  [k: string]: unknown
}
/**
 * The revision up to which the session does not exist any more.
 */
export interface DeletedContent {
  revision: number
  [k: string]: unknown
}

/**
 * The outcome of one event, sent after the commit.
 *
 * `id` and `subject` repeat the event's own; each is null where a rejected event had none that could be read. `revision` is the stored one, null when no session is stored. A rejected event has `code` and `message`. A duplicate has `first`, the outcome of the event's first application. An erasure has `receipt`.
 */
export type Confirmation = {
  id: string | null
  subject: string | null
  outcome: Outcome
  revision: number | null
  code?: DeadLetterCode
  message?: string
  first?: Outcome
  receipt?: Receipt
  [k: string]: unknown
}
/**
 * Every event ends in exactly one of these.
 */
export type Outcome =
  'stored' | 'deleted' | 'absent' | 'erased' | 'superseded' | 'duplicate' | 'conflict' | 'rejected'
/**
 * Why a message is in the dead-letter queue; the value of its `x-code` header.
 */
export type DeadLetterCode =
  | 'too_large'
  | 'bad_properties'
  | 'bad_json'
  | 'not_object'
  | 'too_deep'
  | 'bad_schema'
  | 'bad_id'
  | 'bad_time'
  | 'bad_number'
  | 'bad_revision'
  | 'revision_ahead'
  | 'nul_character'
  | 'subject_mismatch'
  | 'conflict'
  | 'refused_by_database'
  | 'bad_signature'
  | 'delivery_limit'

/**
 * The counts of an erasure: the removed, and those that a count afterwards found.
 *
 * The player's writes up to `revision` stay out. `laterSessions` were written after it, and stay. The player is identified by the SHA-256 of the id's UTF-8, in hex, so that the receipt can be kept.
 */
export interface Receipt {
  playerDigest: string
  revision: number
  erasedAt: string
  sessions: number
  remainingSessions: number
  laterSessions: number
  deadLetters: number
  remainingDeadLetters: number
  [k: string]: unknown
}

/**
 * Why a request failed, in one word.
 */
export type ErrorReason =
  | 'parse_error'
  | 'invalid_request'
  | 'unknown_method'
  | 'invalid_params'
  | 'storage_unavailable'
  | 'timeout'
  | 'not_yet_visible'
  | 'too_large'
  | 'overloaded'
  | 'bad_signature'
  | 'internal_error'

/**
 * A JSON-RPC 2.0 error object; `message` is for people.
 */
export interface RpcError {
  code: number
  message: string
  data: Fault
  [k: string]: unknown
}
/**
 * The part of an error for programs; `details` is a list of FieldFault for `invalid_params`.
 */
export interface Fault {
  reason: ErrorReason
  retryable: boolean
  details?: unknown
  [k: string]: unknown
}

/**
 * Which sessions, in which order, and which part of them.
 */
export interface QueryParams {
  filter?: Filter
  options?: QueryOptions
}
/**
 * Which sessions match: all given conditions must hold, and every bound includes its own moment.
 */
export interface Filter {
  playerId?: string
  completed?: boolean
  difficulty?: string
  startedAfter?: string
  startedBefore?: string
  completedAfter?: string
  completedBefore?: string
  updatedAfter?: string
  updatedBefore?: string
  /**
   * Any JSON value that the encounter contains.
   */
  encounterContains?: {
    [k: string]: unknown
  }
  /**
   * Any JSON value that the state contains.
   */
  stateContains?: {
    [k: string]: unknown
  }
}
/**
 * The order of the matches and which part of them; a page starts at an offset or after a cursor, never both.
 */
export interface QueryOptions {
  sortBy?: 'createdAt' | 'startedAt' | 'updatedAt' | 'completedAt'
  sortOrder?: 'asc' | 'desc'
  limit?: number
  offset?: number | null
  cursor?: string | null
}

/**
 * Totals over the sessions of one player or of all; without an average when no session is complete.
 */
export interface StatsResult {
  totalSessions: number
  completedSessions: number
  activeSessions: number
  avgCompletionTimeSeconds: number | null
  [k: string]: unknown
}

/**
 * Whether the worker can serve.
 *
 * `database` is `ok` or the reason why it is not; `lagSeconds` is the age of the oldest delivery not yet settled; `time` is the worker's clock; workers of earlier releases do not send it.
 */
export interface HealthResult {
  ok: boolean
  database: string
  lagSeconds: number
  version: string
  time?: string | null
  [k: string]: unknown
}
