import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { BadRequestError } from '../src/index.js'
import { sessionOf, withStore } from './worker.js'

test('a query without a limit returns every match, page by page', async () => {
  await withStore(async (store) => {
    const playerId = randomUUID()
    const ids = Array.from({ length: 1_205 }, (_, number) => `${playerId}_${String(number).padStart(4, '0')}`)
    await Promise.all(ids.map((id) => store.writeSession({ ...sessionOf(id), playerId })))
    const found = await store.querySessions({ playerId })
    expect(found.map((session) => session.sessionId)).toEqual(ids)
    expect(await store.countSessions({ playerId, startedAfter: new Date('2025-11-07T10:30:00Z') })).toBe(1_205)
    expect(await store.querySessions({ playerId }, { limit: 1_100, offset: 100 })).toEqual(found.slice(100, 1_200))
    expect(await store.querySessions({ playerId, difficulty: '' } as never, { limit: 0 })).toEqual(found)
    const records = await store.readMany(ids)
    expect(records.map((record) => record?.session.sessionId)).toEqual(ids)
  })
})

test('pages follow one another by their cursors, and iterate goes on from one', async () => {
  await withStore(async (store) => {
    const playerId = randomUUID()
    const ids = Array.from({ length: 7 }, (_, number) => `${playerId}_${number}`)
    await Promise.all(ids.map((id) => store.writeSession({ ...sessionOf(id), playerId })))
    const first = await store.query({ playerId }, { limit: 3 })
    const second = await store.query({ playerId }, { limit: 3, cursor: first.nextCursor })
    const third = await store.query({ playerId }, { limit: 3, cursor: second.nextCursor })
    const found = [first, second, third].flatMap(({ records }) => records.map(({ session }) => session.sessionId))
    expect([found, first.records.length, third.nextCursor]).toEqual([ids, 3, null])
    const rest: string[] = []
    for await (const { session } of store.iterate({ playerId }, { limit: 1, cursor: first.nextCursor })) {
      rest.push(session.sessionId)
    }
    expect(rest).toEqual(ids.slice(3))
    await expect(store.query({ playerId }, { offset: 1, cursor: first.nextCursor })).rejects.toThrow(BadRequestError)
  })
})

test('a question that cannot be asked so is a bad request, and nothing is asked', async () => {
  await withStore(async (store) => {
    const { NaN: none } = Number
    const circle: { [name: string]: unknown } = {}
    circle.inner = circle
    const bad = [
      store.querySessions({}, { limit: none }),
      store.querySessions({}, { offset: none }),
      store.querySessions({}, { offset: 1.5 }),
      store.querySessions({ startedAfter: new Date(none) }),
      store.querySessions(null as never),
      store.iterate({}, { offset: none }).next(),
      store.countSessions({ stateContains: { score: none } }),
      store.countSessions({ stateContains: circle }),
      store.countSessions({ stateContains: { notes: 'x'.repeat(5_000_000) } }),
      store.read('\ud83c'),
    ]
    for (const asked of bad) await expect(asked).rejects.toThrow(BadRequestError)
    expect(await store.querySessions({ playerId: randomUUID() }, { limit: null, offset: null } as never)).toEqual([])
  })
})

test('an id that cannot exist reads as null and deletes as false, where the engine asks', async () => {
  await withStore(async (store) => {
    for (const id of ['', 'x'.repeat(256), 'a\nb', '\ud83c', undefined as never, null as never]) {
      expect([await store.readSession(id), await store.deleteSession(id)]).toEqual([null, false])
    }
  })
})

test('sessions too large for one answer come in several', async () => {
  await withStore(async (store) => {
    const playerId = randomUUID()
    const ids = Array.from({ length: 12 }, (_, number) => `${playerId}_${String(number).padStart(2, '0')}`)
    const notes = 'x'.repeat(900_000)
    for (const id of ids) await store.writeSession({ ...sessionOf(id, { notes }), playerId })
    expect((await store.querySessions({ playerId })).map((session) => session.sessionId)).toEqual(ids)
    expect((await store.readMany(ids)).map((record) => record?.session.sessionId)).toEqual(ids)
  })
})
