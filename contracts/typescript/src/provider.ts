import type { Session } from './messages.js'

/** What the engine asks of a storage; unchanged from the engine's own interface. */
export interface IStorageProvider {
  readonly name: string
  initialize(): Promise<void>
  readSession(sessionId: string): Promise<Session | null>
  writeSession(session: Session): Promise<void>
  deleteSession(sessionId: string): Promise<boolean>
  querySessions(filter: SessionFilter, options?: QueryOptions): Promise<Session[]>
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
