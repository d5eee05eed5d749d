// Generated from contracts/schemas by scripts/generate-types.mjs. Do not edit.

/**
 * One encounter of one player; any other top-level field is kept and comes back as it was.
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
 * A stored session, the revision that made it so, and when its row was made and last changed.
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
 * A session is stored as it is here; `id` is the id of the event that wrote it, a repeat has the same.
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
 * No session is there; `id` is the id of the event that deleted it, a repeat has the same.
 *
 * One that was removed by an erasure has an id made of session and revision, greater than any event's.
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
 * The revision up to which nothing of the session is there any more.
 */
export interface DeletedContent {
  revision: number
  [k: string]: unknown
}

/**
 * What became of one event, sent after it was committed.
 *
 * `id` and `subject` repeat the event's own; either is null where a rejected event had none to be read. `revision` is the one now stored, null when none is. A rejected event has `code` and `message`, a duplicate has `first`, the outcome of the event when it was applied, an erasure has `receipt`.
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
  | 'nul_character'
  | 'subject_mismatch'
  | 'conflict'
  | 'refused_by_database'
  | 'bad_signature'
  | 'delivery_limit'

/**
 * What an erasure removed, and what was there when it was counted afterwards.
 *
 * The player's writes up to `revision` stay out. `laterSessions` were written after it, and stay. The player is named by the SHA-256 of the id's UTF-8, in hex, so that the receipt can be kept.
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
 * The part of an error that a program reads; `details` is a list of FieldFault for `invalid_params`.
 */
export interface Fault {
  reason: ErrorReason
  retryable: boolean
  details?: unknown
  [k: string]: unknown
}

/**
 * Which sessions, in which order, which part of them.
 */
export interface QueryParams {
  filter?: Filter
  options?: QueryOptions
}
/**
 * Which sessions: all that is given must hold, and every bound includes its own moment.
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
 * In which order and which part; a page starts at an offset or after a cursor, never both.
 */
export interface QueryOptions {
  sortBy?: 'createdAt' | 'startedAt' | 'updatedAt' | 'completedAt'
  sortOrder?: 'asc' | 'desc'
  limit?: number
  offset?: number | null
  cursor?: string | null
}

/**
 * Figures over the sessions of one player or of all; no average when none is complete.
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
 * `database` is `ok` or the reason why not; `lagSeconds` is the age of the oldest delivery not yet settled.
 */
export interface HealthResult {
  ok: boolean
  database: string
  lagSeconds: number
  version: string
  [k: string]: unknown
}
