import { expect, test } from 'vitest'
import { HybridClock, QueuedWrites } from '../src/clock.js'
import { MisconfiguredError, SessionStore } from '../src/index.js'

test('revisions are microseconds since the epoch, each greater than the last', () => {
  const clock = new HybridClock()
  const revisions = Array.from({ length: 1_000 }, () => clock.next('a'))
  expect(revisions).toEqual([...new Set(revisions)].sort((one, other) => one - other))
  expect(Math.abs((revisions[0] ?? 0) - Date.now() * 1_000)).toBeLessThan(60_000_000)
})

test('a revision is greater than what was read of the session, even from the future', () => {
  const clock = new HybridClock()
  const future = (Date.now() + 3_600_000) * 1_000
  clock.observe('a', future)
  clock.observe('a', 5)
  expect(clock.next('a')).toBe(future + 1)
  expect(clock.next('a')).toBe(future + 2)
})

test('a session far ahead of its time pulls no other along', () => {
  const clock = new HybridClock()
  clock.observe('a', Number.MAX_SAFE_INTEGER - 1)
  expect(clock.next('a')).toBe(Number.MAX_SAFE_INTEGER)
  expect(clock.next('b')).toBeLessThan((Date.now() + 60_000) * 1_000)
})

test('a queued write is remembered until it, or a later one, was seen to be applied', () => {
  const queued = new QueuedWrites(2)
  queued.add('a', 7)
  queued.add('a', 6)
  queued.forget('a', 6)
  expect(queued.of('a')).toBe(7)
  queued.add('b', 1)
  expect(queued.isFull).toBe(true)
  queued.forget('a', 7)
  queued.forget('never', 7)
  expect(queued.of('a')).toBeUndefined()
  expect(queued.isFull).toBe(false)
})

test.each([
  { url: 'localhost:5672' },
  { url: 'amqp://localhost', timeoutMs: 0 },
  { url: 'amqp://localhost', durability: 'sometimes' as 'queued' },
])('options that mean nothing are said so: %o', (options) => {
  expect(() => new SessionStore(options)).toThrow(MisconfiguredError)
})

test('a clock is behind what was seen of a session until it has reached that', () => {
  const clock = new HybridClock()
  const now = Date.now() * 1000
  clock.observe('past', now - 1_000_000)
  clock.observe('future', now + 3_600_000_000)
  expect(['past', 'future', 'unknown'].map((id) => clock.isBehind(id))).toEqual([false, true, false])
})
