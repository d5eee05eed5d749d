import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import {
  ClosedError,
  ConflictError,
  MisconfiguredError,
  type Session,
  SessionStore,
  SessionStorePlugin,
  TimedOutError,
} from '../src/index.js'
import { options } from './worker.js'

function sessionOf(sessionId: string, state: Session['state'] = {}): Session {
  return {
    sessionId,
    playerId: sessionId,
    encounter: { difficulty: 'easy' },
    state,
    startedAt: '2025-11-07T10:30:00.000Z',
  }
}

async function withStore<T>(work: (store: SessionStore) => Promise<T>, changed = {}): Promise<T> {
  const store = new SessionStore(options(changed))
  await store.initialize()
  try {
    return await work(store)
  } finally {
    await store.shutdown()
  }
}

test('a queued write is always read back a thousand times, whichever replica answers', async () => {
  await withStore(
    async (store) => {
      const id = randomUUID()
      for (let turn = 0; turn < 1_000; turn += 1) {
        await store.writeSession(sessionOf(id, { turn }))
        expect((await store.readSession(id))?.state).toEqual({ turn })
      }
    },
    { durability: 'queued' },
  )
})

test('two engines that read, modify and write lose no update', async () => {
  const id = randomUUID()
  async function increase(store: SessionStore): Promise<void> {
    let record = await store.read(id)
    for (;;) {
      const count = Number(record?.session.state.count ?? 0) + 1
      try {
        return await store.writeSession(sessionOf(id, { count }), { expectedRevision: record?.revision ?? 0 })
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error
        record = error.record
      }
    }
  }
  async function engine(): Promise<void> {
    await withStore(async (store) => {
      for (let turn = 0; turn < 20; turn += 1) await increase(store)
    })
  }
  await Promise.all([engine(), engine()])
  expect(await withStore(async (store) => (await store.readSession(id))?.state)).toEqual({ count: 40 })
})

test('a query without a limit returns every match, page by page', async () => {
  await withStore(async (store) => {
    const playerId = randomUUID()
    const ids = Array.from({ length: 1_205 }, (_, number) => `${playerId}_${String(number).padStart(4, '0')}`)
    await Promise.all(ids.map((id) => store.writeSession({ ...sessionOf(id), playerId })))
    const found = await store.querySessions({ playerId })
    expect(found.map((session) => session.sessionId)).toEqual(ids)
    expect(await store.countSessions({ playerId, startedAfter: new Date('2025-11-07T10:30:00Z') })).toBe(1_205)
    expect(await store.querySessions({ playerId }, { limit: 1_100, offset: 100 })).toHaveLength(1_100)
  })
})

test('a write that timed out can be repeated without being applied twice', async () => {
  const hasty = new SessionStore(options({ timeoutMs: 1 }))
  await expect(hasty.writeSession(sessionOf('x'))).rejects.toThrow(ClosedError)
  const failed = await hasty.initialize().catch((error: unknown) => error)
  expect(failed).toBeInstanceOf(TimedOutError)
  await hasty.shutdown()
  await withStore(async (store) => {
    const event = { eventId: randomUUID(), revision: 7 }
    const id = randomUUID()
    expect((await store.write(sessionOf(id), event)).outcome).toBe('stored')
    expect((await store.write(sessionOf(id), event)).outcome).toBe('stored')
    expect((await store.read(id))?.revision).toBe(7)
  })
})

test('a missing topology is said so', async () => {
  const store = new SessionStore(options({ prefix: `none${randomUUID()}.` }))
  await expect(store.initialize()).rejects.toThrow(MisconfiguredError)
  await store.shutdown()
})

test('the plugin gives the engine its storage', async () => {
  const plugin = new SessionStorePlugin()
  expect(plugin.getMetadata().type).toBe('storage')
  expect(await plugin.healthCheck()).toBe(false)
  await plugin.initialize({ config: options() })
  await plugin.activate()
  const storage = plugin.getStorageProvider()
  const id = randomUUID()
  await storage.writeSession(sessionOf(id))
  expect(await storage.deleteSession(id)).toBe(true)
  expect(await plugin.healthCheck()).toBe(true)
  await plugin.deactivate()
  await plugin.shutdown()
})
