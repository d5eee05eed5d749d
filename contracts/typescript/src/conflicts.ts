import { CollisionError, type ConflictStates, MisconfiguredError } from './errors.js'
import { mergeOwned } from './merge.js'
import type { Session } from './messages.js'
import type { StoredRecord } from './replies.js'

/**
 * The behaviour of `writeSession` if another engine changed the session since it was read. `merge` joins both changes, and throws
 * CollisionError for changes that exclude each other. `throw` always throws it. A function returns the session to store.
 */
export type OnConflict<S = Session> = 'merge' | 'throw' | ((states: ConflictStates<S>) => S | Promise<S>)

/** A conflict: the revision that a write expected, the three states, and the record that is stored, where it was read. */
export interface Conflict<S> {
  sessionId: string
  expected: number
  states: ConflictStates<S>
  record: StoredRecord<S> | null
}

/** Returns the option; throws MisconfiguredError where it is none of the three. */
export function checkedOnConflict<S>(onConflict: OnConflict<S>): OnConflict<S> {
  if (onConflict === 'merge' || onConflict === 'throw' || typeof onConflict === 'function') return onConflict
  throw new MisconfiguredError(`onConflict must be 'merge', 'throw' or a function, not '${onConflict}'`)
}

/** Resolves with the session to store in place of `theirs`; throws CollisionError where there is none. */
export async function resolveConflict<S extends object>(
  onConflict: OnConflict<S>,
  { sessionId, expected, states, record }: Conflict<S>,
): Promise<S> {
  if (typeof onConflict === 'function') return onConflict(states)
  const merged = onConflict === 'merge' ? mergeOwned(states) : { session: null }
  if ('session' in merged && merged.session) return merged.session
  const collisions = 'collisions' in merged ? merged.collisions : ['']
  throw new CollisionError(sessionId, expected, record, states, collisions)
}
