// Reads sessions many times: `node --expose-gc reads.js <reads>`. Prints the heap after a collection at the start, in the middle
// and at the end, in bytes, a line each.
import { SessionStore } from 'session-store-client'
import type { Session } from './engine.js'
import { Handlers } from './handlers.js'

const SESSIONS = 1_000
const AT_ONCE = 200

const reads = Number(process.argv[2])
const store = new SessionStore<Session>(JSON.parse(process.env.ENGINE_OPTIONS ?? '{}'))
await store.initialize()
const handlers = new Handlers(store)

async function create(): Promise<string> {
  return ((await handlers.createSession('player_1')).body as Session).sessionId
}

/** Resolves once so many reads are answered, 200 at a time; each session comes again and again. */
async function read(ids: string[], times: number): Promise<void> {
  let left = times
  const reader = async () => {
    while (left > 0) {
      left -= 1
      const { status } = await handlers.readSession(ids[left % ids.length] as string)
      if (status !== 200) throw new Error(`a read was answered ${status}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, reader))
}

/** Prints the heap; objects that are only held weakly go at the end of the turn in which they were read. */
async function measure(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve))
    globalThis.gc?.()
  }
  console.log(process.memoryUsage().heapUsed)
}

const ids: string[] = []
while (ids.length < SESSIONS) ids.push(...(await Promise.all(Array.from({ length: 100 }, create))))
await read(ids, SESSIONS * 10)
await measure()
await read(ids, reads / 2)
await measure()
await read(ids, reads / 2)
await measure()
await store.shutdown()
