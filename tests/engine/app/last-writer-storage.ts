import { SessionStore } from 'session-store-client'
import type { Session } from './engine.js'

/** A store without live sessions: each read gives a copy, and the last write wins. It loses moves, and tests count them. */
export class LastWriterStorage extends SessionStore<Session> {
  override async readSession(sessionId: string): Promise<Session | null> {
    return (await this.read(sessionId))?.session ?? null
  }

  override async writeSession(session: Session): Promise<void> {
    await this.write(session)
  }
}
