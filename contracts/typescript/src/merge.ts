import { checkContent, decode, encode } from './encoding.js'

/** The session that holds the changes of both sides; null where it is deleted. */
export interface Merged<S> {
  session: S | null
}

/** The states of a session before, and after the change of each side. */
export interface States<S> {
  base: S | null
  mine: S | null
  theirs: S | null
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
 * - Arrays that kept their length merge item by item, and the appended items follow: theirs, then mine.
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
  return mergeOwned({ base: copyOf(base), mine: copyOf(mine), theirs: copyOf(theirs) })
}

/**
 * As `mergeSessions`, of states that are JSON and that nobody else holds: the result shares with them, and they are not copied.
 */
export function mergeOwned<S extends object>({ base, mine, theirs }: States<S>): Merged<S> | Collided {
  const merge = new Merge()
  for (const state of [base, mine, theirs]) checkContent(state, SESSION_DEPTH)
  const session = merge.value('', contentOf(base), contentOf(mine), contentOf(theirs))
  if (merge.collisions.length > 0) return { collisions: merge.collisions }
  return { session: (session ?? null) as S | null }
}

/** Returns the JSON of a session, as a read of it would give. */
function copyOf<S>(session: S | null): S | null {
  return session === null ? null : (decode(encode(session)) as S)
}

function contentOf(session: object | null): Value {
  return session === null ? undefined : (session as JsonMap)
}

/** One merge of three values, which it owns; `collisions` grows while it goes through the places. Linear in their size. */
class Merge {
  readonly collisions: string[] = []
  readonly #mine = new Comparison()
  readonly #theirs = new Comparison()
  readonly #sides = new Comparison()
  readonly #identities = new Identities()

  /** Returns the merged value of a place; where both sides changed it, `theirs` beside a collision. */
  value(path: string, base: Value, mine: Value, theirs: Value): Value {
    if (this.#mine.isEqual(mine, base)) return theirs
    if (this.#theirs.isEqual(theirs, base)) return mine
    const isSame = this.#sides.isEqual(mine, theirs)
    const isAddedOnce = isSame && !this.#identities.holdsNumber(mine)
    const before = base === undefined && !isAddedOnce ? emptyLike(mine) : base
    if (isMap(before) && isMap(mine) && isMap(theirs) && isSameThing(before, mine, theirs)) {
      return this.#maps(path, before, mine, theirs)
    }
    if (isArray(before) && isArray(mine) && isArray(theirs)) {
      const isAligned = this.#isAligned(this.#mine, before, mine) && this.#isAligned(this.#theirs, before, theirs)
      if (isAligned) return this.#arrays(path, before, mine, theirs)
    }
    if (!isSame || mayBeTwoSteps(path, base, mine)) this.collisions.push(path)
    return theirs
  }

  #maps(path: string, base: JsonMap, mine: JsonMap, theirs: JsonMap): JsonMap {
    const added = Object.keys(mine).filter((name) => !Object.hasOwn(theirs, name))
    const entries: [string, Json][] = []
    for (const name of [...Object.keys(theirs), ...added]) {
      const place = `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
      const merged = this.value(place, own(base, name), own(mine, name), own(theirs, name))
      if (merged !== undefined) entries.push([name, merged])
    }
    return Object.fromEntries(entries) // which keeps a key `__proto__` apart from the prototype
  }

  #arrays(path: string, base: Json[], mine: Json[], theirs: Json[]): Json[] {
    const items = base.map((item, place) => this.value(`${path}/${place}`, item, mine[place], theirs[place]) as Json)
    const [myTail, theirTail] = [mine.slice(base.length), theirs.slice(base.length)]
    const appended = new Set(theirTail.map((item) => this.#identities.of(item)))
    if (myTail.some((item) => appended.has(this.#identities.of(item)))) this.collisions.push(`${path}/-`)
    return [...items, ...theirTail, ...myTail]
  }

  /** Whether each item of the base is still at its place, changed or not. */
  #isAligned(comparison: Comparison, base: Json[], side: Json[]): boolean {
    const changed = [...base.keys()].filter((place) => !comparison.isEqual(side[place], base[place]))
    if (side.length > base.length) return changed.length === 0
    return side.length === base.length && !this.#isMoved(base, side, changed)
  }

  /** Whether a map or array that left its place stands at another one. */
  #isMoved(base: Json[], side: Json[], changed: number[]): boolean {
    const left = new Set(
      changed
        .map((place) => base[place])
        .filter(isContainer)
        .map((item) => this.#identities.of(item)),
    )
    return left.size > 0 && changed.some((place) => left.has(this.#identities.of(side[place])))
  }
}

/** Compares the values at each place of two sides, each once. */
class Comparison {
  readonly #known = new Map<object, boolean>()

  isEqual(one: Value, other: Value): boolean {
    if (one === other) return true
    if (!isContainer(one) || !isContainer(other)) return false
    const known = this.#known.get(one)
    if (known !== undefined) return known
    const isEqual = isArray(one)
      ? isArray(other) && this.#areArrays(one, other)
      : isMap(other) && this.#areMaps(one, other)
    this.#known.set(one, isEqual)
    return isEqual
  }

  #areArrays(one: Json[], other: Json[]): boolean {
    return one.length === other.length && one.every((item, place) => this.isEqual(item, other[place]))
  }

  #areMaps(one: JsonMap, other: JsonMap): boolean {
    const names = Object.keys(one)
    if (names.length !== Object.keys(other).length) return false
    return names.every((name) => Object.hasOwn(other, name) && this.isEqual(one[name], other[name]))
  }
}

/** Whether a map is still about the same thing on both sides, by its `id` where it has one. */
function isSameThing(base: JsonMap, ...sides: JsonMap[]): boolean {
  return !Object.hasOwn(base, 'id') || sides.every((side) => new Comparison().isEqual(base.id, own(side, 'id')))
}

/** Texts that equal values share, and no others, whatever the order of their keys. Each container is looked at once. */
class Identities {
  readonly #texts = new Map<object, string>()
  readonly #numbers = new Map<string, number>()
  readonly #holdsNumber = new Map<object, boolean>()

  of(value: Value): string {
    if (!isContainer(value)) return typeof value === 'string' ? JSON.stringify(value) : String(value)
    const known = this.#texts.get(value)
    if (known !== undefined) return known
    const content = isArray(value) ? `[${value.map((item) => this.of(item)).join()}` : this.#contentOf(value)
    const number = this.#numbers.get(content) ?? this.#numbers.size
    this.#numbers.set(content, number)
    this.#texts.set(value, `#${number}`)
    return `#${number}`
  }

  /** Whether a value is a number, or holds one at any depth. */
  holdsNumber(value: Value): boolean {
    if (!isContainer(value)) return isNumber(value)
    const known = this.#holdsNumber.get(value)
    if (known !== undefined) return known
    const holds = Object.values(value).some((item) => this.holdsNumber(item))
    this.#holdsNumber.set(value, holds)
    return holds
  }

  #contentOf(map: JsonMap): string {
    const names = Object.keys(map).sort()
    return `{${names.map((name) => `${JSON.stringify(name)}:${this.of(map[name])}`).join()}`
  }
}

function emptyLike(value: Value): Value {
  if (isArray(value)) return []
  return isMap(value) ? {} : undefined
}

/** Whether a value that both sides set may come of two steps, as two increments or two completions, and not of one. */
function mayBeTwoSteps(path: string, base: Value, value: Value): boolean {
  if (path === COMPLETION && typeof value === 'string') return true
  if (!isContainer(value)) return isNumber(value)
  const before = new Set(numbersOf(base))
  return numbersOf(value).some((number) => !before.has(number))
}

function numbersOf(value: Value): (number | bigint)[] {
  const numbers: (number | bigint)[] = []
  const collect = (item: Value): void => {
    if (isNumber(item)) numbers.push(item)
    else if (isContainer(item)) Object.values(item).forEach(collect)
  }
  collect(value)
  return numbers
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
