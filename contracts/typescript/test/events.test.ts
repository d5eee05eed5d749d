import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { encode } from '../src/encoding.js'
import { checkEvent, eventMessage } from '../src/events.js'

const SESSION = {
  sessionId: 'a',
  playerId: 'b',
  encounter: { notes: ['x', { y: null }] },
  state: {},
  startedAt: '2025-11-07T10:30:00.000Z',
}

function check(changed: object, eventId: string = randomUUID(), revision = 1): void {
  const session = { ...SESSION, ...changed }
  const place = { subject: session.sessionId, revision, expectedRevision: null, eventId }
  const event = { type: 'session.write', ...place, session: encode(session) } as const
  checkEvent(eventMessage(event, { source: 'a', bodyLimit: 9_999 }).body)
}

function nested(levels: number): unknown {
  return levels ? { inner: nested(levels - 1) } : {}
}

test.each([
  {},
  { completedAt: null, plugin: [1, 'text'] },
  { completedAt: '2025-11-07T12:30:00.123456+02:00' },
  { sessionId: '\u{1f9c2}'.repeat(255) },
  { state: nested(60) },
  { startedAt: new Date(0), completedAt: '2024-02-29t23:59:59.1234560z' },
  { startedAt: '0001-01-01T00:00:00Z', completedAt: '9999-12-31T23:59:59.999999Z' },
])('what the worker takes passes: %j', (changed) => {
  check(changed)
})

test.each([
  ['bad_id', { sessionId: '' }],
  ['bad_id', { playerId: 'line\nbreak' }],
  ['bad_id', { sessionId: 'x'.repeat(256) }],
  ['bad_schema', { playerId: 7 }],
  ['bad_schema', { encounter: [] }],
  ['bad_schema', { state: null }],
  ['bad_schema', { startedAt: 1762511400000 }],
  ['bad_time', { startedAt: 'yesterday' }],
  ['bad_time', { completedAt: '2025-11-07T10:30:00' }],
  ['bad_time', { completedAt: '2025-11-07T10:30:00.1234567Z' }],
  ['nul_character', { state: { 'a\0': 1 } }],
  ['nul_character', { plugin: ['a\0'] }],
  ['too_deep', { state: nested(61) }],
])('what the worker refuses is %s here too: %j', (code, changed) => {
  expect(() => check(changed)).toThrow(expect.objectContaining({ code }))
})

test('an event id and a revision of the caller are checked too', () => {
  expect(() => check({}, 'mine')).toThrow(expect.objectContaining({ code: 'bad_id' }))
  for (const revision of [0, 1.5, 2 ** 53]) {
    expect(() => check({}, undefined, revision)).toThrow(expect.objectContaining({ code: 'bad_revision' }))
  }
})

test('an event of more bytes than are allowed is too large', () => {
  expect(() => check({ state: { notes: 'é'.repeat(5_000) } })).toThrow(expect.objectContaining({ code: 'too_large' }))
})
