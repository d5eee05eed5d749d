import { expect, test, vi } from 'vitest'
import { HybridClock, PendingWrites } from '../src/clock.js'
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

test('revisions follow the wall clock over steps and over a suspend of the host, and never fall', () => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'], now: 1_700_000_000_000 })
  try {
    const clock = new HybridClock()
    expect(clock.next('a')).toBe(1_700_000_000_000_000)
    vi.setSystemTime(1_700_000_000_000 + 3_600_000) // an hour of suspend, in which the monotonic clock stood still
    expect(clock.next('a')).toBe(1_700_003_600_000_000)
    vi.setSystemTime(1_700_000_000_000)
    expect(clock.next('a')).toBe(1_700_003_600_000_001)
    vi.advanceTimersByTime(7_200_000)
    expect(clock.next('a')).toBe(1_700_007_200_000_000)
  } finally {
    vi.useRealTimers()
  }
})

test('a session far ahead of its time pulls no other along', () => {
  const clock = new HybridClock()
  clock.observe('a', Number.MAX_SAFE_INTEGER - 1)
  expect(clock.next('a')).toBe(Number.MAX_SAFE_INTEGER)
  expect(clock.next('b')).toBeLessThan((Date.now() + 60_000) * 1_000)
})

test('a queued write is remembered until it, or a later one, was seen to be applied', () => {
  const pending = new PendingWrites(2)
  pending.add('a', 7)
  pending.add('a', 6)
  pending.settle('a', 6)
  expect(pending.revisionOf('a')).toBe(7)
  pending.add('b', 1)
  expect(['a', 'b', 'c'].map((id) => pending.hasRoomFor(id))).toEqual([true, true, false])
  pending.settle('a', 7)
  pending.settle('never', 7)
  expect(pending.revisionOf('a')).toBe(0)
  expect(pending.hasRoomFor('c')).toBe(true)
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
