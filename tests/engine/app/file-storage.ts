import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { IStorageProvider, QueryOptions, Session, SessionFilter } from './engine.js'

/** The storage that the engine came with: live objects in a map, and a file of each session once it is completed. */
export class FileStorage implements IStorageProvider {
  readonly name = 'file'
  readonly #folder: string
  readonly #sessions = new Map<string, Session>()

  constructor(folder = 'data/sessions') {
    this.#folder = folder
  }

  async initialize(): Promise<void> {
    await mkdir(this.#folder, { recursive: true })
    for (const name of await readdir(this.#folder)) {
      const session: Session = JSON.parse(await readFile(join(this.#folder, name), 'utf8'))
      this.#sessions.set(session.sessionId, session)
    }
  }

  async readSession(sessionId: string): Promise<Session | null> {
    return this.#sessions.get(sessionId) ?? null
  }

  async writeSession(session: Session): Promise<void> {
    this.#sessions.set(session.sessionId, session)
    if (session.completedAt) await writeFile(this.#fileOf(session.sessionId), JSON.stringify(session))
  }

  async deleteSession(sessionId: string): Promise<boolean> {
    await rm(this.#fileOf(sessionId), { force: true })
    return this.#sessions.delete(sessionId)
  }

  async querySessions(filter: SessionFilter, options: QueryOptions = {}): Promise<Session[]> {
    const [offset, limit] = [options.offset || 0, options.limit || Number.POSITIVE_INFINITY]
    const matches = [...this.#sessions.values()].filter((session) => passes(session, filter))
    return matches.sort((one, other) => other.startedAt.localeCompare(one.startedAt)).slice(offset, offset + limit)
  }

  async countSessions(filter: SessionFilter): Promise<number> {
    return (await this.querySessions(filter)).length
  }

  async healthCheck(): Promise<boolean> {
    return true
  }

  async shutdown(): Promise<void> {}

  #fileOf(sessionId: string): string {
    return join(this.#folder, `${sessionId}.json`)
  }
}

function passes(session: Session, { playerId, completed }: SessionFilter): boolean {
  if (playerId && session.playerId !== playerId) return false
  return completed === undefined || completed === Boolean(session.completedAt)
}
