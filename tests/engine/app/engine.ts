// The types of the engine, as it declares them itself: nothing here comes from the client's package.

export interface Objective {
  id: string
  completed: boolean
}

export interface Session {
  sessionId: string
  playerId: string
  encounter: { id: string; title: string; difficulty: 'easy' | 'medium' | 'hard'; objectives: Objective[] }
  state: { objectivesCompleted: string[]; npcInteractions: Record<string, number> }
  startedAt: string
  completedAt?: string | null
}

export interface SessionFilter {
  playerId?: string
  completed?: boolean
}

export interface QueryOptions {
  limit?: number
  offset?: number
  sortBy?: 'createdAt' | 'updatedAt' | 'completedAt'
  sortOrder?: 'asc' | 'desc'
}

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
