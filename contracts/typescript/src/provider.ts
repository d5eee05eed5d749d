import type { Session } from './messages.js'

/** What the engine asks of a storage; unchanged from the engine's own interface, for the engine's own type of a session. */
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

/** Which sessions; all that is given must hold. */
export interface SessionFilter {
  playerId?: string
  completed?: boolean
  startedAfter?: Date
  startedBefore?: Date
  difficulty?: 'easy' | 'medium' | 'hard'
}

/** In which order and which part. */
export interface QueryOptions {
  limit?: number
  offset?: number
  sortBy?: 'createdAt' | 'updatedAt' | 'completedAt'
  sortOrder?: 'asc' | 'desc'
}
