import { isDeepStrictEqual as isEqual } from 'node:util'
import { checkContent, decode, encode } from './encoding.js'

/** The session that holds the changes of both sides; null where it is deleted. */
export interface Merged<S> {
  session: S | null
}

/** The places that both sides changed in different ways, as JSON Pointers (RFC 6901); `/-` at the end is an append. */
export interface Collided {
  collisions: string[]
}

type JsonMap = { [name: string]: Json }
type Json = null | boolean | number | bigint | string | Json[] | JsonMap
/** The value at one place; undefined where nothing is. */
type Value = Json | undefined

const SESSION_DEPTH = 3 // in the event's data, in the event
const COMPLETION = '/completedAt'

/**
 * Merges two changes of one session: `mine`, and `theirs`, which is already stored; both were made of `base`. Null stands
 * for no session. The arguments stay as they are, and the result shares nothing with them.
 *
 * - A place that one side changed is taken from that side.
 * - Maps merge key by key. A key deleted on both sides is gone; deleted on one and changed on the other collides.
 * - Arrays that kept their length merge item by item, and what each side appended follows: theirs, then mine.
 * - A list or map that `base` lacks counts as an empty one, unless both sides made it the same.
 * - What both sides set to the same value agrees; removed items are gone once. What may be two steps instead of one
 *   collides: a number, an appended item equal to one that the other side appended, the time of `completedAt`.
 * - A map whose `id` changed, and an array whose items moved, were inserted in the middle or removed, are replaced as a whole.
 * - Everything else that both sides changed collides.
 *
 * Keys stand in the order of `theirs`, then those that `mine` added. Throws RejectedError as a write of it would.
 */
export function mergeSessions<S extends object>(
  base: S | null,
  mine: S | null,
  theirs: S | null,
): Merged<S> | Collided {
  const collisions: string[] = []
  const session = merge('', copy(base), copy(mine), copy(theirs), collisions)
  return collisions.length > 0 ? { collisions } : { session: (session ?? null) as S | null }
}

/** Returns the JSON of a session, as a read of it would give; undefined for none. */
function copy(session: object | null): Value {
  if (session === null) return undefined
  const value = decode(encode(session)) as Json
  checkContent(value, SESSION_DEPTH)
  return value
}

function merge(path: string, base: Value, mine: Value, theirs: Value, collisions: string[]): Value {
  if (isEqual(mine, base)) return theirs
  if (isEqual(theirs, base)) return mine
  const agree = isEqual(mine, theirs) && !mayBeTwoSteps(path, base, mine)
  const before = base === undefined && !agree ? emptyLike(mine) : base
  if (isMap(before) && isMap(mine) && isMap(theirs) && isSameThing(before, mine, theirs)) {
    return mergeMaps(path, before, mine, theirs, collisions)
  }
  if (isArray(before) && isArray(mine) && isArray(theirs) && areAligned(before, mine, theirs)) {
    return mergeArrays(path, before, mine, theirs, collisions)
  }
  if (!agree) collisions.push(path)
  return theirs
}

function emptyLike(value: Value): Value {
  if (isArray(value)) return []
  return isMap(value) ? {} : undefined
}

function mergeMaps(path: string, base: JsonMap, mine: JsonMap, theirs: JsonMap, collisions: string[]): JsonMap {
  const added = Object.keys(mine).filter((name) => !Object.hasOwn(theirs, name))
  const entries: [string, Json][] = []
  for (const name of [...Object.keys(theirs), ...added]) {
    const place = `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
    const merged = merge(place, own(base, name), own(mine, name), own(theirs, name), collisions)
    if (merged !== undefined) entries.push([name, merged])
  }
  return Object.fromEntries(entries) // which keeps a key `__proto__` apart from the prototype
}

function mergeArrays(path: string, base: Json[], mine: Json[], theirs: Json[], collisions: string[]): Json[] {
  const items = base.map(
    (item, place) => merge(`${path}/${place}`, item, mine[place], theirs[place], collisions) as Json,
  )
  const [myTail, theirTail] = [mine.slice(base.length), theirs.slice(base.length)]
  const appended = new Set(theirTail.map(identity))
  if (myTail.some((item) => appended.has(identity(item)))) collisions.push(`${path}/-`)
  return [...items, ...theirTail, ...myTail]
}

/** Whether each item of the base is still at its place, changed or not, on both sides. */
function areAligned(base: Json[], ...sides: Json[][]): boolean {
  return sides.every((side) => isGrown(base, side) || isKept(base, side))
}

function isGrown(base: Json[], side: Json[]): boolean {
  return side.length > base.length && isEqual(side.slice(0, base.length), base)
}

/** Whether as many items are there, and no map or array that left its place stands at another one. */
function isKept(base: Json[], side: Json[]): boolean {
  const changed = [...base.keys()].filter((place) => !isEqual(base[place], side[place]))
  const left = new Set(
    changed
      .map((place) => base[place])
      .filter(isContainer)
      .map(identity),
  )
  return side.length === base.length && !changed.some((place) => left.has(identity(side[place])))
}

/** Whether a map is still about the same thing on both sides, by its `id` where it has one. */
function isSameThing(base: JsonMap, ...sides: JsonMap[]): boolean {
  return !Object.hasOwn(base, 'id') || sides.every((side) => isEqual(base.id, own(side, 'id')))
}

/** Whether a value that both sides set may come of two steps, as two increments or two completions, and not of one. */
function mayBeTwoSteps(path: string, base: Value, value: Value): boolean {
  if (path === COMPLETION && typeof value === 'string') return true
  if (!isContainer(value)) return isNumber(value)
  const before = new Set(numbersOf(base))
  return numbersOf(value).some((number) => !before.has(number))
}

function numbersOf(value: Value): (number | bigint)[] {
  if (isNumber(value)) return [value]
  return isContainer(value) ? Object.values(value).flatMap(numbersOf) : []
}

/** Returns a text that equal values share, and no others, whatever the order of their keys. */
function identity(value: Value): string {
  if (isArray(value)) return `[${value.map(identity).join()}]`
  if (isMap(value)) {
    const names = Object.keys(value).sort()
    return `{${names.map((name) => `${JSON.stringify(name)}:${identity(value[name])}`).join()}}`
  }
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

function own(map: JsonMap, name: string): Value {
  return Object.hasOwn(map, name) ? map[name] : undefined
}

function isNumber(value: Value): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}

function isContainer(value: Value): value is Json[] | JsonMap {
  return typeof value === 'object' && value !== null
}

function isArray(value: Value): value is Json[] {
  return Array.isArray(value)
}

function isMap(value: Value): value is JsonMap {
  return isContainer(value) && !isArray(value)
}
