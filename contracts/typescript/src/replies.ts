import type { Outcome, Session } from './messages.js'

/** The result of an event; without an outcome only the broker has confirmed it. */
export interface WriteResult {
  eventId: string
  revision: number
  outcome?: Outcome
}

/** A stored session, the revision that made it so, and when its row was created and last changed. */
export interface StoredRecord<S = Session> {
  session: S
  revision: number
  createdAt: string
  updatedAt: string
}

/** One page of a query, and the cursor of the next; null after the last. */
export interface Page<S = Session> {
  records: StoredRecord<S>[]
  nextCursor: string | null
}
