// An engine with types of its own, as interfaces and without a signature for further fields: it must compile.
import { ConflictError, SessionStore, SessionStorePlugin } from 'session-store-client'

interface Encounter {
  id: string
  title: string
  difficulty: 'easy' | 'medium' | 'hard'
}

interface Session {
  sessionId: string
  playerId: string
  encounter: Encounter
  state: { step: number }
  startedAt: string
  completedAt?: string | null
}

interface IStorageProvider {
  readonly name: string
  initialize(): Promise<void>
  readSession(sessionId: string): Promise<Session | null>
  writeSession(session: Session): Promise<void>
  deleteSession(sessionId: string): Promise<boolean>
  querySessions(filter: { playerId?: string; startedAfter?: Date }, options?: { limit?: number }): Promise<Session[]>
  countSessions(filter: { playerId?: string; startedAfter?: Date }): Promise<number>
  healthCheck(): Promise<boolean>
  shutdown(): Promise<void>
}

const store = new SessionStore<Session>({ url: 'amqp://localhost' })
export const storages: IStorageProvider[] = [store, new SessionStorePlugin<Session>().getStorageProvider()]

export async function advance(sessionId: string): Promise<void> {
  let record = await store.read(sessionId)
  while (record) {
    const step: number = record.session.state.step + 1
    try {
      return await store.writeSession({ ...record.session, state: { step } }, { expectedRevision: record.revision })
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error
      record = error.record
    }
  }
}

export async function firstOf(playerId: string): Promise<string | undefined> {
  const { records } = await store.query({ playerId }, { limit: 1, sortBy: 'startedAt' })
  return records[0]?.session.encounter.title
}
