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

interface PluginContext {
  readonly pluginName: string
  readonly config: Record<string, unknown>
}

interface PluginMetadata {
  name: string
  version: string
  description: string
  author?: string
}

interface IPlugin {
  getMetadata(): PluginMetadata
  initialize(context: PluginContext): Promise<void>
  activate(): Promise<void>
  deactivate(): Promise<void>
  shutdown(): Promise<void>
  healthCheck?(): Promise<boolean>
}

const store = new SessionStore<Session>({ url: 'amqp://localhost' })
export const storages: IStorageProvider[] = [store, new SessionStorePlugin<Session>().getStorageProvider()]

export const plugin: IPlugin = new SessionStorePlugin<Session>()
const { name, version, description } = new SessionStorePlugin().getMetadata()
export const words: string[] = [name, version, description]
export const loaded = (instance: IPlugin): IStorageProvider =>
  (instance as SessionStorePlugin<Session>).getStorageProvider()

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

export async function talkTo(sessionId: string, merged: Session): Promise<number> {
  const merging = new SessionStore<Session>({ url: 'amqp://localhost', onConflict: ({ theirs }) => theirs ?? merged })
  const updated = await merging.update(sessionId, (session) => {
    session.state.step += 1
  })
  await merging.update(sessionId, (session) => session ?? merged, { missing: 'create' })
  return updated.session.state.step + updated.revision
}
