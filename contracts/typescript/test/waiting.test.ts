import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { Latch, Waiters } from '../src/waiting.js'

const SOON = () => performance.now() + 10

test('what came or failed is so for everybody, and the first word counts', async () => {
  const [came, failed] = [new Latch<number>(), new Latch<number>()]
  const waiting = came.wait(performance.now() + 60_000)
  came.resolve(1)
  came.reject(new Error('late'))
  expect([await waiting, await came.wait(0)]).toEqual([1, 1])
  const refused = failed.wait(performance.now() + 60_000)
  failed.reject(new Error('broken'))
  failed.resolve(2)
  await expect(refused).rejects.toThrow('broken')
  await expect(failed.wait(0)).rejects.toThrow('broken')
})

test('what has not come by the deadline is nothing, and may come later', async () => {
  const latch = new Latch<number>()
  expect(await latch.wait(SOON())).toBeUndefined()
  latch.resolve(1)
  expect(await latch.wait(SOON())).toBe(1)
})

test('those who wait are told once, and in their order', async () => {
  const waiters = new Waiters()
  const told: string[] = []
  waiters.add(() => told.push('a'))
  waiters.add(() => told.push('b'))()
  waiters.add(() => told.push('c'))
  waiters.wake()
  waiters.wake()
  expect(told).toEqual(['a', 'c'])
  expect(await waiters.wait(SOON())).toBe(false)
})

test('a thousand who waited in vain leave nothing behind', async () => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const latch = new Latch<number>()
  const held = async () => {
    await Promise.all(Array.from({ length: 1_000 }, () => latch.wait(SOON())))
    collect()
    return process.memoryUsage().heapUsed
  }
  await held()
  const before = await held()
  for (let round = 0; round < 10; round += 1) await held()
  expect((await held()) - before).toBeLessThan(1_000_000) // kept, ten thousand would be three million bytes
})
