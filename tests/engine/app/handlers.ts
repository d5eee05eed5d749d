import { randomUUID } from 'node:crypto'
import type { IStorageProvider, Session } from './engine.js'

/** What a handler answers: an HTTP status and a body. */
export interface Answer {
  status: number
  body: unknown
}

const OBJECTIVES = 4

/** The handlers of the engine. Each reads a session, changes it in place and writes it; none knows a lock or a revision. */
export class Handlers {
  readonly #storage: IStorageProvider

  constructor(storage: IStorageProvider) {
    this.#storage = storage
  }

  async createSession(playerId: string): Promise<Answer> {
    const objectives = Array.from({ length: OBJECTIVES }, (_, number) => ({ id: `obj_${number}`, completed: false }))
    const session: Session = {
      sessionId: `sess_${randomUUID()}`,
      playerId,
      encounter: { id: 'enc_1', title: 'The Missing Shipment', difficulty: 'medium', objectives },
      state: { objectivesCompleted: [], npcInteractions: {} },
      startedAt: new Date().toISOString(),
      completedAt: null,
    }
    await this.#storage.writeSession(session)
    return { status: 201, body: session }
  }

  async readSession(sessionId: string): Promise<Answer> {
    const session = await this.#storage.readSession(sessionId)
    return session ? { status: 200, body: session } : notFound
  }

  async completeObjective(sessionId: string, number: number): Promise<Answer> {
    const session = await this.#storage.readSession(sessionId)
    const objective = session?.encounter.objectives[number]
    if (!session || !objective) return notFound
    objective.completed = true
    session.state.objectivesCompleted.push(objective.id)
    await this.#storage.writeSession(session)
    return { status: 200, body: session }
  }

  async talkTo(sessionId: string, npc: string): Promise<Answer> {
    const session = await this.#storage.readSession(sessionId)
    if (!session) return notFound
    const { npcInteractions } = session.state
    npcInteractions[npc] = (npcInteractions[npc] ?? 0) + 1
    await this.#storage.writeSession(session)
    return { status: 200, body: session }
  }

  async completeSession(sessionId: string): Promise<Answer> {
    const session = await this.#storage.readSession(sessionId)
    if (!session) return notFound
    if (session.completedAt) return { status: 409, body: { error: 'already completed' } }
    session.completedAt = new Date().toISOString()
    await this.#storage.writeSession(session)
    return { status: 200, body: session }
  }

  async deleteSession(sessionId: string): Promise<Answer> {
    return (await this.#storage.deleteSession(sessionId)) ? { status: 200, body: { deleted: sessionId } } : notFound
  }

  async listSessions(playerId: string): Promise<Answer> {
    return { status: 200, body: await this.#storage.querySessions({ playerId }) }
  }

  async health(): Promise<Answer> {
    const healthy = await this.#storage.healthCheck()
    return { status: healthy ? 200 : 503, body: { healthy } }
  }
}

const notFound: Answer = { status: 404, body: { error: 'no such session' } }
