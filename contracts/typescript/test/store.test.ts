import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect } from 'amqplib'
import { expect, test, vi } from 'vitest'
import { ConflictError, RejectedError, type SessionStore, SessionStorePlugin } from '../src/index.js'
import { options, sessionOf, withStore } from './worker.js'

test('a queued write is always read back a thousand times, whichever replica answers', {
  timeout: 240_000,
}, async () => {
  await withStore(
    async (store) => {
      const id = randomUUID()
      for (let turn = 0; turn < 1_000; turn += 1) {
        await store.writeSession(sessionOf(id, { turn }))
        const record = turn % 2 ? await store.read(id) : (await store.readMany([id]))[0]
        expect(record?.session.state).toEqual({ turn })
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

test('a write over the limit of a body is rejected, and the connection with its other calls lives on', async () => {
  await withStore(async (store) => {
    const id = randomUUID()
    const large = sessionOf(id, { notes: 'x'.repeat(5_000_000) })
    await expect(store.writeSession(large)).rejects.toMatchObject({ code: 'too_large' })
    await store.writeSession(sessionOf(id))
    expect(await store.readSession(id)).toEqual(sessionOf(id))
  })
})

test('an integer beyond 2^53 is kept, read and written back', async () => {
  await withStore(async (store) => {
    const session = sessionOf(randomUUID(), { seed: 9007199254740993n, big: 2 ** 60, huge: 1e20, tiny: 5e-324 })
    await store.writeSession(session)
    const read = await store.readSession(session.sessionId)
    expect(read).toEqual(session)
    await store.writeSession({ ...session, ...read, note: 'changed' })
    expect((await store.readSession(session.sessionId))?.state).toEqual(session.state)
  })
})

test('what JSON has no number for is rejected, and nothing is sent', async () => {
  await withStore(async (store) => {
    const id = randomUUID()
    await expect(store.writeSession(sessionOf(id, { score: Number.NaN }))).rejects.toThrow(RejectedError)
    expect(await store.readSession(id)).toBeNull()
  })
})

test('what a query returned can be written over, whatever clock its writer had', async () => {
  await withStore(async (ahead) => {
    const id = randomUUID()
    await ahead.write(sessionOf(id), { revision: (Date.now() + 3_600_000) * 1_000 })
    for (const way of ['query', 'readMany']) {
      await withStore(async (store) => {
        if (way === 'query') await store.querySessions({ playerId: id })
        else await store.readMany([id])
        expect((await store.write(sessionOf(id, { way }))).outcome).toBe('stored')
      })
    }
  })
})

test('a delete is of what is there, though an engine with a clock ahead wrote it', async () => {
  await withStore(async (ahead) => {
    const id = randomUUID()
    const future = (Date.now() + 3_600_000) * 1_000
    await ahead.write(sessionOf(id), { revision: future })
    await withStore(async (store) => {
      expect(await store.deleteSession(id, { revision: future - 1 })).toBe(false)
      expect(await ahead.readSession(id)).toEqual(sessionOf(id))
    })
    await withStore(async (store) => {
      expect(await store.deleteSession(id)).toBe(true)
      expect(await ahead.readSession(id)).toBeNull()
    })
  })
})

test('a delete is not made again above a write that this client made after it', async () => {
  const future = (Date.now() + 3_600_000) * 1_000
  await withStore(async (ahead) => {
    const id = randomUUID()
    await ahead.write(sessionOf(id), { revision: future })
    await withStore(async (store) => {
      const deleting = store.deleteSession(id)
      const writing = store.write(sessionOf(id, { after: true }))
      expect([await deleting, (await writing).outcome]).toEqual([false, 'superseded'])
      expect(await store.readSession(id)).toEqual(sessionOf(id))
    })
  })
})

test('a queued write that the worker would refuse is rejected here, and no read waits for it', async () => {
  await withStore(
    async (store) => {
      const id = randomUUID()
      const refused = store.writeSession({ ...sessionOf(id), startedAt: 'yesterday' })
      await expect(refused).rejects.toMatchObject({ code: 'bad_time' })
      expect(await store.readSession(id)).toBeNull()
      await store.writeSession(sessionOf(id))
      expect(await store.readSession(id)).toEqual(sessionOf(id))
    },
    { durability: 'queued', timeoutMs: 2_000 },
  )
})

test('a read waits for a queued write also after another of the session conflicted', async () => {
  await withStore(
    async (store) => {
      const id = randomUUID()
      const future = (Date.now() + 3_600_000) * 1_000
      await store.write(sessionOf(id, { turn: 1 }), { revision: future })
      const conflict = store.write(sessionOf(id), { expectedRevision: 7, revision: future + 1 })
      await expect(conflict).rejects.toThrow(ConflictError)
      expect((await store.read(id))?.revision).toBe(future)
    },
    { durability: 'queued' },
  )
})

test('the read after a conflict has no more time than the write', async () => {
  const { url, prefix = '', timeoutMs = 0 } = options()
  const broker = await connect(url)
  const channel = await broker.createChannel()
  const { queue } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(queue, `${prefix}sessions`, 'session.rpc')
  await withStore(async (store) => {
    const id = randomUUID()
    await store.writeSession(sessionOf(id))
    const deadlines: number[] = []
    const asked = new Promise<void>((resolve) => {
      void channel.consume(queue, (message) => {
        const { params } = JSON.parse(String(message?.content))
        if (params.sessionId !== id) return
        deadlines.push(Number(message?.properties.headers?.deadline))
        resolve()
      })
    })
    const writing = store.writeSession(sessionOf(id), { expectedRevision: 7 })
    const latest = Date.now() + timeoutMs
    await expect(writing).rejects.toThrow(ConflictError)
    await asked
    expect(deadlines).toHaveLength(1)
    expect(deadlines[0]).toBeLessThanOrEqual(latest)
  })
  await broker.close()
})

test('the plugin gives the engine its storage', async () => {
  const plugin = new SessionStorePlugin()
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  expect(plugin.getMetadata()).toMatchObject({ type: 'storage', version })
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
  expect(await plugin.healthCheck()).toBe(false)
})

test('events and questions carry the trace that runs', async () => {
  const { url, prefix = '' } = options()
  const broker = await connect(url)
  const channel = await broker.createChannel()
  const { queue } = await channel.assertQueue('', { exclusive: true })
  for (const key of ['session.write', 'session.rpc']) await channel.bindQueue(queue, `${prefix}sessions`, key)
  const id = randomUUID()
  const carried = new Map<string, unknown>()
  await channel.consume(queue, (message) => {
    if (message?.content.includes(id)) carried.set(message.fields.routingKey, message.properties.headers?.traceparent)
  })
  let traceparent: string | undefined
  await withStore(
    async (store) => {
      traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
      await store.writeSession(sessionOf(id))
      expect((await store.readSession(id))?.sessionId).toBe(id)
    },
    { traceHeaders: () => (traceparent ? { traceparent } : undefined) },
  )
  await vi.waitFor(() => {
    expect(Object.fromEntries(carried)).toEqual({ 'session.write': traceparent, 'session.rpc': traceparent })
  })
  await broker.close()
})
