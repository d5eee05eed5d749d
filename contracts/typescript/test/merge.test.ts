import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decode, encode } from '../src/encoding.js'
import { mergeSessions, RejectedError } from '../src/index.js'
import { apply, at, drawEdit, drawEdited, isHolder, type Json, type JsonMap, own, sessions } from './edits.js'

interface Vector {
  name: string
  base: object | null
  mine: object | null
  theirs: object | null
  merged?: object | null
  collisions?: string[]
}

const file = new URL('../../merge-vectors.json', import.meta.url)
const vectors = decode(readFileSync(file)) as Vector[]

test.each(vectors.map((vector) => [vector.name, vector] as const))('%s', (_, vector) => {
  const result = mergeSessions(vector.base, vector.mine, vector.theirs)
  if ('collisions' in result) expect(result.collisions).toEqual(vector.collisions)
  else expect(String(encode(result.session))).toBe(String(encode(vector.merged))) // the order of keys too
})

test('a change of one side alone is the result', () => {
  fc.assert(
    fc.property(sessions, sessions, (base, side) => {
      expect(mergeSessions(base, side, base)).toEqual({ session: side })
      expect(mergeSessions(base, base, side)).toEqual({ session: side })
      expect(mergeSessions(base, null, base)).toEqual({ session: null })
      expect(mergeSessions(base, base, null)).toEqual({ session: null })
      expect(mergeSessions(null, side, null)).toEqual({ session: side })
      expect(mergeSessions(null, null, side)).toEqual({ session: side })
    }),
  )
})

test('no value is looked at again at each level around it', () => {
  const nested = (levels: number, last: string | number) => {
    let value: Json = [...Array.from({ length: 20_000 }, (_, number) => number), last]
    for (let level = 0; level < levels; level += 1) value = { inner: value, level }
    return { sessionId: 's', state: value }
  }
  const time = (levels: number) => {
    const before = process.cpuUsage()
    for (const [mine, theirs] of [['a', 'b'] as const, [-1, -1] as const]) {
      const merged = mergeSessions(nested(levels, 0), nested(levels, mine), nested(levels, theirs))
      expect(merged).toMatchObject({ collisions: [expect.any(String)] })
    }
    return process.cpuUsage(before).user
  }
  const [deep, flat] = [50, 1].map((levels) => Math.min(time(levels), time(levels), time(levels))) as [number, number]
  expect(deep).toBeLessThan(5 * flat)
})

test('two changes that commute merge to one after the other', () => {
  fc.assert(
    fc.property(sessions, fc.gen(), (base, draw) => {
      const one = drawEdit(draw, base)
      const other = draw(fc.boolean) ? one : drawEdit(draw, base)
      const [mine, theirs] = [apply(one, base) as JsonMap, apply(other, base) as JsonMap]
      const [end, otherEnd] = [apply(other, mine), apply(one, theirs)]
      // A new array is no place in it; a place inside of one that the other side replaced agrees by chance.
      const isInside = overlap(one.path, other.path) && one.path.length !== other.path.length
      const isWhole = isInside || [one.kind, other.kind].includes('remove')
      if (!end || isWhole || identity(end) !== identity(otherEnd)) return
      const result = mergeSessions(base, mine, theirs)
      if ('session' in result) expect(identity(result.session)).toBe(identity(end))
      else expect(result.collisions.filter((pointer) => !mayBeTwoSteps(pointer, mine))).toEqual([])
    }),
    { numRuns: 500 },
  )
})

test('changes of places apart never collide', () => {
  fc.assert(
    fc.property(sessions, fc.gen(), (base, draw) => {
      const [one, other] = [drawEdit(draw, base), drawEdit(draw, base)]
      if (overlap(one.path, other.path)) return
      expect(mergeSessions(base, apply(one, base) ?? base, apply(other, base) ?? base)).toHaveProperty('session')
    }),
    { numRuns: 500 },
  )
})

test('no change of either side is dropped, and none collides that the other side did not make too', () => {
  fc.assert(
    fc.property(sessions, fc.gen(), (base, draw) => {
      const [mine, theirs] = [drawEdited(draw, base), drawEdited(draw, base)]
      const result = mergeSessions(base, mine, theirs)
      if ('session' in result) {
        expect(dropped('', base, mine, result.session ?? undefined)).toEqual([])
        expect(dropped('', base, theirs, result.session ?? undefined)).toEqual([])
      } else {
        const unchanged = (pointer: string) => !isChanged(pointer, base, mine) || !isChanged(pointer, base, theirs)
        expect(result.collisions.filter(unchanged)).toEqual([])
      }
    }),
    { numRuns: 500 },
  )
})

test('the sides may be swapped', () => {
  fc.assert(
    fc.property(sessions, fc.gen(), (base, draw) => {
      const [mine, theirs] = [drawEdited(draw, base), drawEdited(draw, base)]
      const [one, other] = [mergeSessions(base, mine, theirs), mergeSessions(base, theirs, mine)]
      if ('session' in one) expect(identity(one.session)).toBe('session' in other && identity(other.session))
      else expect(one.collisions.sort()).toEqual('collisions' in other && other.collisions.sort())
    }),
    { numRuns: 500 },
  )
})

test('the arguments stay as they are, and share nothing with the result', () => {
  const sides = [{ l: [{}] }, { l: [{}], mine: { a: [1] } }, { l: [{}], theirs: { b: [1] } }] as const
  const before = structuredClone(sides)
  const result = mergeSessions<JsonMap>(...(sides as unknown as [JsonMap, JsonMap, JsonMap]))
  const merged = ('session' in result && result.session) as { [name: string]: { a?: Json[]; b?: Json[] } & Json[] }
  merged.mine?.a?.push(2)
  merged.theirs?.b?.push(2)
  merged.l?.push(2)
  expect(sides).toEqual(before)
})

test('a property that is undefined is absent, and a date is its text', () => {
  const base = { startedAt: '1970-01-01T00:00:00.000Z', gone: 'x', state: {} }
  const mine = { startedAt: new Date(0), gone: undefined, state: { at: new Date(1) } }
  const theirs = { ...base, added: true }
  expect(mergeSessions<object>(base, mine, theirs)).toEqual({
    session: { startedAt: base.startedAt, state: { at: '1970-01-01T00:00:00.001Z' }, added: true },
  })
})

test('no key of a session reaches a prototype', () => {
  const [base, mine] = [{ state: {} }, JSON.parse('{"state":{"__proto__":{"polluted":"mine"}}}')]
  const theirs = JSON.parse('{"state":{"__proto__":{"polluted":"mine","also":true}}}')
  const result = mergeSessions<{ state: object }>(base, mine, theirs)
  const state = ('session' in result && result.session?.state) as object
  expect(JSON.stringify(state)).toBe('{"__proto__":{"polluted":"mine","also":true}}')
  expect(Object.getPrototypeOf(state)).toBe(Object.prototype)
  expect('polluted' in {}).toBe(false)
})

test.each([
  ['bad_number', Number.NaN],
  ['bad_time', new Date(Number.NaN)],
  ['nul_character', '\0'],
  ['bad_json', new Map()],
  ['too_deep', nested(62)],
  ['too_deep', nested(3_000)],
  ['too_deep', nested(100_000)],
])('what no session may hold is rejected as a write of it would be: %s', (code, value) => {
  expect(() => mergeSessions<object>({}, { state: value }, {})).toThrow(RejectedError)
  expect(() => mergeSessions<object>({}, { state: value }, {})).toThrow(expect.objectContaining({ code }))
})

function nested(levels: number): unknown {
  let value: unknown[] = []
  for (let level = 0; level < levels; level += 1) value = [value]
  return value
}

/** Returns what a value is, apart from the order of keys and items. */
function identity(value: Json | undefined, anyOrder = true): string {
  if (Array.isArray(value)) {
    const items = value.map((item) => identity(item, anyOrder))
    return `[${(anyOrder ? items.sort() : items).join()}]`
  }
  if (!isHolder(value)) return JSON.stringify(value) ?? 'nothing'
  return `{${Object.keys(value)
    .sort()
    .map((name) => `${name}:${identity(own(value, name), anyOrder)}`)
    .join()}}`
}

function overlap(one: string[], other: string[]): boolean {
  const shorter = Math.min(one.length, other.length)
  return identity(one.slice(0, shorter).join('/')) === identity(other.slice(0, shorter).join('/'))
}

/** Whether what is at a place may come of two equal steps: an append, a completion, or a number. */
function mayBeTwoSteps(pointer: string, side: JsonMap): boolean {
  if (pointer.endsWith('/-') || pointer === '/completedAt') return true
  return /(?<=^|[[:,])\d/.test(identity(at(side, pointer.split('/').slice(1))))
}

/** Returns the places that a side changed and whose change is not in the merged session. */
function dropped(pointer: string, base?: Json, side?: Json, merged?: Json): string[] {
  if ([identity(base), identity(merged)].includes(identity(side))) return []
  if (!isHolder(side) || !isHolder(merged) || Array.isArray(side) !== Array.isArray(merged)) return [pointer]
  const before = base ?? (Array.isArray(side) ? [] : {})
  if (!isHolder(before) || Array.isArray(before) !== Array.isArray(side)) return [pointer]
  const names = new Set([...Object.keys(before), ...(Array.isArray(side) ? [] : Object.keys(side))])
  const places = [...names].flatMap((name) =>
    dropped(`${pointer}/${name}`, own(before, name), own(side, name), own(merged, name)),
  )
  return [...places, ...droppedTail(pointer, before, side, merged)]
}

function droppedTail(pointer: string, before: Json, side: Json, merged: Json): string[] {
  if (!Array.isArray(before) || !Array.isArray(side) || !Array.isArray(merged)) return []
  const kept = merged.slice(before.length).map((item) => identity(item))
  for (const item of side.slice(before.length).map((item) => identity(item))) {
    const place = kept.indexOf(item)
    if (place < 0) return [`${pointer}/-`]
    kept.splice(place, 1)
  }
  return side.length < before.length ? [pointer] : []
}

function isChanged(pointer: string, base: JsonMap, side: JsonMap): boolean {
  const path = pointer.replace(/\/-$/, '').split('/').slice(1)
  return identity(at(base, path), false) !== identity(at(side, path), false)
}
