import { encode } from './encoding.js'
import { BadRequestError, ConflictError, NotFoundError } from './errors.js'
import { sessionIdOf } from './events.js'
import type { SessionQueues } from './queues.js'
import type { SessionReader } from './reader.js'
import { echo } from './refusals.js'
import type { ChangeOrCreate, UpdateResult } from './updates.js'
import type { SessionWriter } from './writer.js'

/** Reads, changes and writes a session until no other write came between. Deadlines are milliseconds of `performance.now()`. */
export class SessionUpdater<S extends object> {
  readonly #reader: SessionReader<S>
  readonly #writer: SessionWriter<S>
  readonly #queues: SessionQueues

  constructor(reader: SessionReader<S>, writer: SessionWriter<S>, queues: SessionQueues) {
    this.#reader = reader
    this.#writer = writer
    this.#queues = queues
  }

  /** Resolves with the session as it is stored; an error of `change` goes to the caller, and nothing is written. */
  update(
    sessionId: string,
    change: ChangeOrCreate<S>,
    missing: 'refuse' | 'create',
    deadline: number,
  ): Promise<UpdateResult<S>> {
    return this.#queues.run(sessionId, deadline, async (until) => {
      for (;;) {
        try {
          return await this.#attempt(sessionId, change, missing, until)
        } catch (error) {
          if (!(error instanceof ConflictError) || performance.now() >= until) throw error
        }
      }
    })
  }

  async #attempt(
    sessionId: string,
    change: ChangeOrCreate<S>,
    missing: 'refuse' | 'create',
    deadline: number,
  ): Promise<UpdateResult<S>> {
    const record = await this.#reader.read(sessionId, 0, deadline)
    if (!record && missing === 'refuse') throw new NotFoundError(sessionId)
    const before = record && encode(record.session)
    const session = (await change(record?.session ?? null)) ?? record?.session
    if (!session || sessionIdOf(session) !== sessionId) {
      const returned = session ? echo(sessionIdOf(session)) : 'nothing'
      throw new BadRequestError(`the change must return the session ${echo(sessionId)} (got ${returned})`)
    }
    const after = encode(session)
    if (record && before?.equals(after)) return { session, revision: record.revision }
    const expectedRevision = record?.revision ?? 0
    const { revision } = await this.#writer.write(session, { expectedRevision }, deadline, after)
    return { session, revision }
  }
}
