import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ClosedError, ConflictError, type Filter, RejectedError, type Session, SessionStore } from '../src/index.js'
import { options } from './worker.js'

interface Step {
  call: string
  id: string
  session: Session | null
  expectedRevision?: number
  filter: Filter
  options?: { limit?: number; offset?: number }
  playerId: string
  [expected: string]: unknown
}

const file = new URL('../../../tests/conformance/cases.json', import.meta.url)
const cases: { name: string; steps: Step[] }[] = JSON.parse(readFileSync(file, 'utf8'))

/** What came of a write, in the words of the cases. */
async function write(store: SessionStore, step: Step): Promise<object> {
  const { expectedRevision } = step
  try {
    const options = expectedRevision === undefined ? {} : { expectedRevision }
    return { outcome: (await store.write(step.session as Session, options)).outcome }
  } catch (error) {
    if (error instanceof ConflictError) return { conflict: error.record?.session ?? null }
    if (error instanceof RejectedError) return { rejected: error.code }
    throw error
  }
}

async function query(store: SessionStore, step: Step): Promise<string[]> {
  return (await store.querySessions(step.filter as object, step.options)).map((session) => session.sessionId)
}

/** What a call gives, in the words of the cases. */
async function take(store: SessionStore, step: Step): Promise<object> {
  switch (step.call) {
    case 'write':
      return write(store, step)
    case 'read':
      return store.readSession(step.id).then(
        (session) => ({ session }),
        (error) => ({ closed: error instanceof ClosedError }),
      )
    case 'delete':
      return { existed: await store.deleteSession(step.id) }
    case 'query':
      return { ids: await query(store, step) }
    case 'count':
      return { count: await store.countSessions(step.filter as object) }
    case 'stats':
      return { stats: await store.stats(step.playerId) }
    case 'health':
      return { ok: await store.healthCheck() }
    case 'close':
      await store.shutdown()
      return {}
    default:
      throw new Error(`no such call: ${step.call}`)
  }
}

function expectation(step: Step): object {
  const words = step.call === 'write' ? ['outcome', 'conflict', 'rejected'] : ['session', 'closed', 'existed', 'ids']
  const all = [...words, 'count', 'stats', 'ok']
  return Object.fromEntries(all.filter((word) => word in step).map((word) => [word, step[word]]))
}

test.each(cases)('$name', async ({ steps }) => {
  const store = new SessionStore(options())
  await store.initialize()
  const mine: Step[] = JSON.parse(JSON.stringify(steps).replaceAll('{run}', randomUUID()))
  for (const step of mine) expect(await take(store, step), JSON.stringify(step)).toEqual(expectation(step))
  await store.shutdown()
})
