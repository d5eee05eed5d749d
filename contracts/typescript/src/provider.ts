import type { Session } from './messages.js'

/** The engine's interface of a storage, unchanged, for the engine's own type of a session. */
export interface IStorageProvider<S = Session> {
  readonly name: string
  initialize(): Promise<void>
  readSession(sessionId: string): Promise<S | null>
  writeSession(session: S): Promise<void>
  deleteSession(sessionId: string): Promise<boolean>
  querySessions(filter: SessionFilter, options?: QueryOptions): Promise<S[]>
  countSessions(filter: SessionFilter): Promise<number>
  healthCheck(): Promise<boolean>
  shutdown(): Promise<void>
}

/** Which sessions match: all given conditions must hold. */
export interface SessionFilter {
  playerId?: string
  completed?: boolean
  startedAfter?: Date
  startedBefore?: Date
  difficulty?: 'easy' | 'medium' | 'hard'
}

/** The order of the matches, and which part of them. */
export interface QueryOptions {
  limit?: number
  offset?: number
  sortBy?: 'createdAt' | 'updatedAt' | 'completedAt'
  sortOrder?: 'asc' | 'desc'
}

/** Returns a filter without the values that mean "any" to the engine: null and the empty text. */
export function withoutEmpty<F extends object>(filter: F): F {
  if (typeof filter !== 'object' || filter === null) return filter
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== null && value !== '')) as F
}
