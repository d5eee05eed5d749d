import type { HybridClock } from './clock.js'
import { type OnConflict, resolveConflict } from './conflicts.js'
import { decode, encode } from './encoding.js'
import { ConflictError, TimedOutError } from './errors.js'
import { sessionIdOf } from './events.js'
import type { SessionQueues } from './queues.js'
import type { SessionReader } from './reader.js'
import type { StoredRecord } from './replies.js'
import type { SessionWriter } from './writer.js'

const MAX_UNCONFIRMED = 8

/**
 * The base of an object: the state that the store has at `revision`. That is the object's own state as this engine last
 * read or wrote it, with `merges` applied: one for each time that another engine had stored a change in between.
 */
interface Basis {
  revision: number
  stored: Buffer
  merges: Merge[]
}

/** A merge of the object's changes since `base` with the record of another engine. */
interface Merge {
  base: Buffer | undefined
  theirs: Buffer | undefined
  expected: number
}

/**
 * The past of one object. `writing` is the revision of its write in flight, 0 without one. `unconfirmed` holds the states
 * that were written and never confirmed, by revision: they may be stored.
 */
interface Lineage {
  basis: Basis | undefined
  writing: number
  readonly unconfirmed: Map<number, Buffer>
}

/** The parts of a store that live sessions need. */
export interface LiveSessionsContext<S extends object> {
  reader: SessionReader<S>
  writer: SessionWriter<S>
  clock: HybridClock
  queues: SessionQueues
  onConflict: OnConflict<S>
  isQueued: boolean
}

/**
 * One object for each session that this engine holds. Handlers that overlap get the same object, and change it in place; a write
 * stores the object as it is then. The writes of a session go one after the other, each over the revision that the object is
 * based on. Where another engine stored a newer one, the changes of both are merged. An object that no handler holds any more is
 * forgotten. Deadlines are milliseconds of `performance.now()`.
 */
export class LiveSessions<S extends object> {
  readonly #context: LiveSessionsContext<S>
  readonly #objects = new Map<string, WeakRef<S>>()
  readonly #lineages = new WeakMap<S, Lineage>()
  readonly #collected = new FinalizationRegistry<string>((sessionId) => {
    if (!this.#objects.get(sessionId)?.deref()) this.#objects.delete(sessionId)
  })

  constructor(context: LiveSessionsContext<S>) {
    this.#context = context
  }

  /** How many sessions have an object. */
  get size(): number {
    return this.#objects.size
  }

  /**
   * Resolves with the object of a session, or null. The worker is asked each time: where another engine has stored a newer
   * revision than the object is based on, this is a new object.
   */
  async read(sessionId: string, deadline: number): Promise<S | null> {
    const asked = this.#lineageOf(sessionId)?.basis?.revision ?? 0
    const record = await this.#context.reader.read(sessionId, asked, deadline)
    const object = this.#objects.get(sessionId)?.deref()
    const lineage = this.#lineageOf(sessionId)
    if (object && lineage && isCurrent(lineage, record?.revision ?? 0, asked)) return object
    if (!record) {
      this.#objects.delete(sessionId)
      return null
    }
    const basis = { revision: record.revision, stored: encode(record.session), merges: [] }
    this.#hold(sessionId, record.session, basis)
    return record.session
  }

  /** Stores an object as it is when its turn comes. Throws CollisionError, and whatever a write throws. */
  async write(object: S, deadline: number): Promise<void> {
    const sessionId = sessionIdOf(object)
    const write = (until: number) => this.#write(sessionId, object, until)
    await this.#context.queues.run(sessionId, deadline, write, object)
  }

  /** Deletes a session after the writes before; resolves with whether it was there. */
  async delete(sessionId: string, deadline: number): Promise<boolean> {
    return this.#context.queues.run(sessionId, deadline, async (until) => {
      const { outcome } = await this.#context.writer.delete(sessionId, {}, until)
      this.#objects.delete(sessionId)
      return outcome === 'deleted'
    })
  }

  async #write(sessionId: string, object: S, deadline: number): Promise<void> {
    const lineage = this.#lineages.get(object) ?? this.#hold(sessionId, object)
    try {
      lineage.basis = await this.#store(sessionId, object, lineage, deadline)
    } catch (error) {
      // the next reader gets the stored state, and not a state that could not be stored
      if (this.#objects.get(sessionId)?.deref() === object) this.#objects.delete(sessionId)
      throw error
    } finally {
      lineage.writing = 0
    }
  }

  async #store(sessionId: string, object: S, lineage: Lineage, deadline: number): Promise<Basis> {
    const { writer, clock, isQueued } = this.#context
    const merges = [...(lineage.basis?.merges ?? [])]
    let session = await this.#applied(merges, sessionId, object)
    let base = lineage.basis?.stored
    let options = lineage.basis && !isQueued ? { expectedRevision: lineage.basis.revision } : {}
    for (;;) {
      const [stored, revision] = [encode(session), clock.next(sessionId)]
      lineage.writing = revision
      try {
        const { outcome } = await writer.write(session, { ...options, revision }, deadline, stored)
        if (outcome !== 'superseded') return { revision, stored, merges }
      } catch (error) {
        if (error instanceof TimedOutError) remember(lineage.unconfirmed, revision, stored)
        if (!(error instanceof ConflictError)) throw error
        const merge = mergeWith(error.record, lineage, base)
        merges.push(merge)
        base = merge.theirs
        session = await this.#applied([merge], sessionId, session, error.record as StoredRecord<S> | null)
        options = { expectedRevision: error.record?.revision ?? 0 }
      }
    }
  }

  /** Resolves with a session after merges; `record` is that of the last one. Throws CollisionError. */
  async #applied(merges: Merge[], sessionId: string, session: S, record: StoredRecord<S> | null = null): Promise<S> {
    let merged = session
    for (const { base, theirs, expected } of merges) {
      const states = { base: sessionOf<S>(base), mine: copyOf(merged), theirs: sessionOf<S>(theirs) }
      merged = await resolveConflict(this.#context.onConflict, { sessionId, expected, states, record })
    }
    return merged
  }

  #hold(sessionId: string, object: S, basis?: Basis): Lineage {
    const lineage: Lineage = { basis, writing: 0, unconfirmed: new Map() }
    this.#lineages.set(object, lineage)
    this.#objects.set(sessionId, new WeakRef(object))
    this.#collected.register(object, sessionId)
    return lineage
  }

  #lineageOf(sessionId: string): Lineage | undefined {
    const object = this.#objects.get(sessionId)?.deref()
    return object && this.#lineages.get(object)
  }
}

/**
 * Whether an object holds at least the state that a read found. `found` is its revision, 0 for no session; the read was answered
 * once `asked`, or a newer revision, was applied.
 */
function isCurrent({ basis, writing }: Lineage, found: number, asked: number): boolean {
  if (basis && basis.merges.length > 0) return false
  const stored = basis?.revision ?? 0
  if (found > 0 && (found === stored || found === writing)) return true
  const wroteMeanwhile = writing > 0 || stored > asked
  return wroteMeanwhile && found < Math.max(stored, writing)
}

/** Returns the merge with a record that was found in place of `base`. Where the record is this object's own, nothing is lost. */
function mergeWith(
  record: { session: object; revision: number } | null,
  { basis, unconfirmed }: Lineage,
  base: Buffer | undefined,
): Merge {
  const own = record ? unconfirmed.get(record.revision) : undefined
  const theirs = record ? encode(record.session) : undefined
  return { base: own ?? base, theirs, expected: basis?.revision ?? 0 }
}

function sessionOf<S>(state: Buffer | undefined): S | null {
  return state ? (decode(state) as S) : null
}

function copyOf<S>(session: S): S {
  return decode(encode(session)) as S
}

function remember(states: Map<number, Buffer>, revision: number, state: Buffer): void {
  states.set(revision, state)
  const [oldest] = states.keys()
  if (states.size > MAX_UNCONFIRMED && oldest !== undefined) states.delete(oldest)
}
