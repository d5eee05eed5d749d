import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ReplyUnverifiedError } from '../src/index.js'
import { Link, type Publication } from '../src/link.js'
import { Keyring, replyContent } from '../src/signing.js'
import { Transport } from '../src/transport.js'
import { Waiters } from '../src/waiting.js'

const ASKED = { body: Buffer.from('{}'), routingKey: 'session.rpc', contentType: '', persistent: false, call: '' }
const EVENT = { ...ASKED, routingKey: 'session.write', persistent: true, repeats: true }
const READ = { ...ASKED, repeats: true }
const SEARCH = { ...ASKED, repeats: false }

/** What was published, and when; each link is lost when the test says so. */
const published: { at: number; publication: Publication }[] = []
const watchers = new Set<() => void>()
let writers: Waiters
let broker: { isWritable: boolean; [name: string]: unknown }
let lose: () => void
let receive: (correlationId: string, body: Buffer, signature?: unknown) => void

beforeEach(() => {
  published.length = 0
  watchers.clear()
  writers = new Waiters()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  vi.spyOn(Link, 'open').mockImplementation(async (_url, _exchange, onReply, signer) => {
    receive = (id, body, signature) => onReply(id, body, signer.findFault(id, body, signature))
    const lost = new Promise<undefined>((resolve) => {
      lose = () => {
        resolve(undefined)
        for (const tell of watchers) tell()
      }
    })
    const onLost = (tell: () => void) => {
      watchers.add(tell)
      return () => watchers.delete(tell)
    }
    const publish = async (publication: Publication) => published.push({ at: performance.now(), publication }) > 0
    const untilWritable = (deadline: number) => writers.wait(deadline)
    const close = async () => undefined
    broker = { isWritable: true, replyTo: 'session.reply.a', lost, onLost, untilWritable, publish, close }
    return broker as unknown as Link
  })
})

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** The pauses between publications in seconds, without what they rest. */
function pauses(): number[] {
  return published.slice(1).map(({ at }, number) => Math.floor((at - (published[number]?.at ?? 0)) / 1_000))
}

test.each([
  ['an event', EVENT],
  ['a read', READ],
])('%s that nobody answers is published again after pauses that double', async (_, message) => {
  const transport = new Transport('amqp://nowhere', '')
  transport.open()
  const answer = transport.request(message, performance.now() + 60_000)
  await vi.advanceTimersByTimeAsync(31_000)
  expect(pauses()).toEqual([2, 4, 8, 16])
  const [first] = published
  receive(String(first?.publication.properties.correlationId), Buffer.from('told'))
  expect(String(await answer)).toBe('told')
  await transport.close()
})

test.each([
  ['is not published again while only the reply is missing', true, []],
  ['is published again while the broker confirms nothing', false, [2, 4, 8, 16]],
])('a search %s', async (_, confirms, expected) => {
  const transport = new Transport('amqp://nowhere', '')
  transport.open()
  const answer = transport.request(SEARCH, performance.now() + 60_000)
  const publish = async (publication: Publication) => {
    published.push({ at: performance.now(), publication })
    return confirms || new Promise<boolean>(() => undefined)
  }
  Object.assign(broker, { publish })
  await vi.advanceTimersByTimeAsync(31_000)
  expect(published).not.toHaveLength(0)
  expect(pauses()).toEqual(expected)
  receive(String(published[0]?.publication.properties.correlationId), Buffer.from('told'))
  expect(String(await answer)).toBe('told')
  await transport.close()
})

test('an answer that no key has signed ends no call, and is told of when nothing better comes', async () => {
  const transport = new Transport('amqp://nowhere', '', undefined, new Keyring(`k1:${'0123456789abcdef'.repeat(2)}`))
  transport.open()
  const failed = transport.request(EVENT, performance.now() + 5_000).catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(1_000)
  receive(String(published[0]?.publication.properties.correlationId), Buffer.from('forged'))
  await vi.advanceTimersByTimeAsync(1_500)
  expect(published).toHaveLength(2)
  await vi.advanceTimersByTimeAsync(5_000)
  expect(await failed).toBeInstanceOf(ReplyUnverifiedError)
  expect(String(await failed)).toContain('signature unsigned')
  await transport.close()
})

test('an answer that a key has signed is taken after a forged one', async () => {
  const keys = new Keyring(`k1:${'0123456789abcdef'.repeat(2)}`)
  const transport = new Transport('amqp://nowhere', 'eu.', undefined, keys)
  transport.open()
  const answer = transport.request(EVENT, performance.now() + 5_000)
  await vi.advanceTimersByTimeAsync(1_000)
  const id = String(published[0]?.publication.properties.correlationId)
  receive(id, Buffer.from('forged'), keys.sign(replyContent('eu.sessions', 'another', Buffer.from('forged'))))
  receive(id, Buffer.from('told'), keys.sign(replyContent('eu.sessions', id, Buffer.from('told'))))
  expect(String(await answer)).toBe('told')
  await transport.close()
})

test('a lost connection is no silence: the pauses grow no longer by it', async () => {
  const transport = new Transport('amqp://nowhere', '')
  transport.open()
  const answer = transport.request(EVENT, performance.now() + 60_000).catch(() => undefined)
  for (let turn = 0; turn < 5; turn += 1) {
    await vi.advanceTimersByTimeAsync(500)
    lose()
    await vi.advanceTimersByTimeAsync(400)
  }
  published.splice(0, published.length - 1)
  await vi.advanceTimersByTimeAsync(7_000)
  expect(pauses()).toEqual([2, 4])
  await transport.close()
  await answer
})

/** Asks on a connection that lives on, and returns what is left of the answer: nothing but this may hold it. */
async function askAndForget(transport: Transport): Promise<WeakRef<Buffer>> {
  const answer = transport.request(EVENT, performance.now() + 5_000)
  await vi.advanceTimersByTimeAsync(1)
  receive(String(published.pop()?.publication.properties.correlationId), Buffer.from('told'.repeat(10_000)))
  return new WeakRef(await answer)
}

test('nothing is kept of a call that was answered, however long its connection lives', async () => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const transport = new Transport('amqp://nowhere', '')
  transport.open()
  const answers: WeakRef<Buffer>[] = []
  for (let call = 0; call < 5; call += 1) answers.push(await askAndForget(transport))
  await vi.advanceTimersByTimeAsync(1)
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  expect(answers.filter((answer) => answer.deref())).toEqual([])
  expect(watchers.size).toBe(0)
  await transport.close()
})

/** Has the broker take messages, or no more. */
function setWritable(isWritable: boolean): void {
  broker.isWritable = isWritable
  if (isWritable) writers.wake()
}

test.each(['request', 'publish'] as const)(
  '%s sends nothing while the broker takes nothing, and is done when it does',
  async (way) => {
    const transport = new Transport('amqp://nowhere', '')
    transport.open()
    await vi.advanceTimersByTimeAsync(1)
    setWritable(false)
    const late = transport[way](EVENT, performance.now() + 1_000).catch((error: unknown) => error)
    const done = transport[way](EVENT, performance.now() + 5_000)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(published).toEqual([])
    expect(String(await late)).toContain('the broker takes no messages now')
    setWritable(true)
    await vi.advanceTimersByTimeAsync(1)
    expect(published).toHaveLength(1)
    receive(String(published[0]?.publication.properties.correlationId), Buffer.from('told'))
    await done
    await transport.close()
  },
)

test('an answer is taken while the broker takes nothing', async () => {
  const transport = new Transport('amqp://nowhere', '')
  transport.open()
  const answer = transport.request(EVENT, performance.now() + 60_000)
  await vi.advanceTimersByTimeAsync(1)
  setWritable(false)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(published).toHaveLength(1)
  receive(String(published[0]?.publication.properties.correlationId), Buffer.from('told'))
  expect(String(await answer)).toBe('told')
  await transport.close()
})
