import { MAX_PENDING_WRITES, MAX_REVISION, REMEMBERED_REVISIONS } from './limits.js'

/** The greatest revision of each of the sessions last used. */
export class RevisionMemory {
  readonly #revisions = new Map<string, number>()

  /** Returns the remembered revision, 0 when there is none. */
  of(sessionId: string): number {
    return this.#revisions.get(sessionId) ?? 0
  }

  /** Remembers a revision, unless a greater one is remembered. */
  raiseTo(sessionId: string, revision: number): void {
    const greatest = Math.max(revision, this.of(sessionId))
    this.#revisions.delete(sessionId)
    this.#revisions.set(sessionId, greatest)
    if (this.#revisions.size > REMEMBERED_REVISIONS) {
      const [oldest] = this.#revisions.keys()
      if (oldest !== undefined) this.#revisions.delete(oldest)
    }
  }
}

/**
 * Gives each write a revision greater than any that this client has given or read for the session: microseconds since the
 * epoch. Where the wall clock is behind, the clock counts on by one. A session whose revision lies in the future raises no
 * other session.
 */
export class HybridClock {
  readonly #seen = new RevisionMemory()
  readonly #given = new RevisionMemory()
  #last = 0

  /** Returns the revision of the next event of a session. */
  next(sessionId: string): number {
    this.#last = Math.max(microseconds(), this.#last + 1)
    const revision = Math.min(Math.max(this.#last, this.#seen.of(sessionId) + 1), MAX_REVISION)
    this.observe(sessionId, revision)
    this.#given.raiseTo(sessionId, revision)
    return revision
  }

  /** Whether this clock has given no later revision for the session. */
  isLatest(sessionId: string, revision: number): boolean {
    return this.#given.of(sessionId) <= revision
  }

  /** Whether a revision seen of the session lies in the future of the wall clock. */
  isBehind(sessionId: string): boolean {
    return this.#seen.of(sessionId) > microseconds()
  }

  /** Remembers a revision that was read or confirmed. */
  observe(sessionId: string, revision: number): void {
    this.#seen.raiseTo(sessionId, revision)
  }
}

let origin = performance.timeOrigin

/**
 * Returns the time since the epoch by the wall clock, whose milliseconds are divided by the monotonic clock. That one stands
 * still while the host is suspended and follows no step, so its origin is moved whenever the two differ.
 */
function microseconds(): number {
  const wall = Date.now()
  const precise = origin + performance.now()
  if (precise >= wall && precise < wall + 1) return Math.floor(precise * 1000)
  origin += wall - precise
  return wall * 1000
}

/**
 * The queued writes of this client that no read has seen yet: the revision that a read must wait for. No entry is dropped
 * for room: while it is full, a write of another session must wait for its commit.
 */
export class PendingWrites {
  readonly #revisions = new Map<string, number>()
  readonly #maxSessions: number

  constructor(maxSessions: number = MAX_PENDING_WRITES) {
    this.#maxSessions = maxSessions
  }

  /** Whether a write of the session can be remembered. */
  hasRoomFor(sessionId: string): boolean {
    return this.#revisions.size < this.#maxSessions || this.#revisions.has(sessionId)
  }

  /** Returns the revision that a read must wait for; 0 when there is none. */
  revisionOf(sessionId: string): number {
    return this.#revisions.get(sessionId) ?? 0
  }

  /** Remembers a write that the broker has confirmed. */
  add(sessionId: string, revision: number): void {
    this.#revisions.set(sessionId, Math.max(revision, this.revisionOf(sessionId)))
  }

  /** Forgets the session's writes up to this revision, which was seen to be applied. */
  settle(sessionId: string, revision: number): void {
    if (this.revisionOf(sessionId) <= revision) this.#revisions.delete(sessionId)
  }
}
