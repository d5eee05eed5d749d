const REMEMBERED = 10_000

/** The greatest revision of each of the sessions last used. */
export class RevisionMemory {
  readonly #revisions = new Map<string, number>()

  /** Returns what is remembered, 0 when nothing is. */
  of(sessionId: string): number {
    return this.#revisions.get(sessionId) ?? 0
  }

  /** Remembers a revision, unless a greater one is remembered. */
  raiseTo(sessionId: string, revision: number): void {
    const greatest = Math.max(revision, this.of(sessionId))
    this.#revisions.delete(sessionId)
    this.#revisions.set(sessionId, greatest)
    if (this.#revisions.size > REMEMBERED) {
      const [oldest] = this.#revisions.keys()
      if (oldest !== undefined) this.#revisions.delete(oldest)
    }
  }
}

/**
 * Gives each write a revision greater than any this client has given or read for the session: microseconds since the
 * epoch, and where the wall clock is behind it counts on. A session far ahead of its time pulls no other along.
 */
export class HybridClock {
  readonly #seen = new RevisionMemory()
  readonly #given = new RevisionMemory()
  #last = 0

  /** Returns the revision of the next event of a session. */
  next(sessionId: string): number {
    this.#last = Math.max(microseconds(), this.#last + 1)
    const revision = Math.min(Math.max(this.#last, this.#seen.of(sessionId) + 1), Number.MAX_SAFE_INTEGER)
    this.observe(sessionId, revision)
    this.#given.raiseTo(sessionId, revision)
    return revision
  }

  /** Whether no later event of the session was given a revision here. */
  isLatest(sessionId: string, revision: number): boolean {
    return this.#given.of(sessionId) <= revision
  }

  /** Whether what was seen of the session has a revision that this clock has yet to reach. */
  isBehind(sessionId: string): boolean {
    return this.#seen.of(sessionId) > microseconds()
  }

  /** Remembers a revision that was read or told. */
  observe(sessionId: string, revision: number): void {
    this.#seen.raiseTo(sessionId, revision)
  }
}

/** Returns the time since the epoch. */
function microseconds(): number {
  return Math.floor((performance.timeOrigin + performance.now()) * 1000)
}

/** What a client that does not wait for the commit still owes itself: the revisions it must see when it reads. */
export class QueuedWrites {
  readonly #revisions = new Map<string, number>()
  readonly #most: number

  constructor(most = 100_000) {
    this.#most = most
  }

  /** Whether no further session can be remembered; a write must then wait for its commit. */
  get isFull(): boolean {
    return this.#revisions.size >= this.#most
  }

  /** Returns the revision that a read must wait for, or nothing. */
  of(sessionId: string): number | undefined {
    return this.#revisions.get(sessionId)
  }

  /** Remembers a write that the broker has. */
  add(sessionId: string, revision: number): void {
    this.#revisions.set(sessionId, Math.max(revision, this.#revisions.get(sessionId) ?? 0))
  }

  /** Forgets the write, and earlier ones of the session: it was seen to be applied. */
  forget(sessionId: string, revision: number): void {
    if ((this.#revisions.get(sessionId) ?? Number.POSITIVE_INFINITY) <= revision) this.#revisions.delete(sessionId)
  }
}
