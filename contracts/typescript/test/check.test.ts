import { expect, test } from 'vitest'
import { checkSession } from '../src/check.js'

const SESSION = {
  sessionId: 'a',
  playerId: 'b',
  encounter: { notes: ['x', { y: null }] },
  state: {},
  startedAt: '2025-11-07T10:30:00.000Z',
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
])('what the worker takes passes: %j', (changed) => {
  checkSession({ ...SESSION, ...changed })
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
  expect(() => checkSession({ ...SESSION, ...changed })).toThrow(expect.objectContaining({ code }))
})
