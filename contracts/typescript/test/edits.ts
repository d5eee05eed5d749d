import fc from 'fast-check'

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json }
export type JsonMap = { [name: string]: Json }
type Draw = fc.GeneratorValue

/** A change at one place: `set` what is there, `add` or `delete` a key, `add` or `remove` an item, `count` a number up. */
export interface Edit {
  kind: 'set' | 'add' | 'delete' | 'remove' | 'count'
  path: string[]
  value: Json
}

const names = fc.constantFrom('a', 'b', '__proto__', 'completedAt')
const scalars = fc.constantFrom(0, 1, false, true, null, '', 'x', 0.5)
const { value: values, map } = fc.letrec<{ value: Json; map: JsonMap }>((tie) => ({
  value: fc.oneof({ maxDepth: 2 }, scalars, fc.array(tie('value'), { maxLength: 3 }), tie('map')),
  map: fc.array(fc.tuple(names, tie('value')), { maxLength: 3 }).map((entries) => Object.fromEntries(entries)),
}))

/** Sessions with something of every kind to change. */
export const sessions: fc.Arbitrary<JsonMap> = fc
  .record({ flag: scalars, list: fc.array(values, { minLength: 1, maxLength: 3 }), map, more: map })
  .map(({ more, ...session }) => ({ ...session, ...more }))

/** Returns what is at a place, undefined where nothing is. */
export function at(value: Json | undefined, path: string[]): Json | undefined {
  return path.reduce<Json | undefined>((holder, name) => (isHolder(holder) ? own(holder, name) : undefined), value)
}

/** Returns a map's own value of this name, or an array's item; never what a prototype has. */
export function own(holder: Json[] | JsonMap, name: string): Json | undefined {
  return Object.hasOwn(holder, name) ? (holder as JsonMap)[name] : undefined
}

export function isHolder(value: Json | undefined): value is Json[] | JsonMap {
  return typeof value === 'object' && value !== null
}

/** Draws a change of this very session. */
export function drawEdit(draw: Draw, session: JsonMap): Edit {
  const { path, value } = draw(fc.constantFrom, ...placesOf(session))
  const kinds: Edit['kind'][] = isHolder(value) ? ['add'] : typeof value === 'number' ? ['count'] : []
  if (path.length > 0) kinds.push('set')
  if (path.length > 0 && !Array.isArray(at(session, path.slice(0, -1)))) kinds.push('delete')
  if (path.length > 0 && Array.isArray(value) && value.length > 0) kinds.push('remove')
  const kind = draw(fc.constantFrom, ...kinds)
  if (kind === 'remove') return { kind, path, value: draw(fc.nat, { max: (value as Json[]).length - 1 }) }
  if (kind !== 'add') return { kind, path, value: kind === 'set' ? draw(() => values) : null }
  return { kind, path: [...path, Array.isArray(value) ? '-' : draw(() => names)], value: draw(() => values) }
}

/** Draws what the session is after a few changes. */
export function drawEdited(draw: Draw, session: JsonMap): JsonMap {
  let edited = session
  for (let left = draw(fc.integer, { min: 0, max: 3 }); left > 0; left -= 1) {
    edited = apply(drawEdit(draw, edited), edited) ?? edited
  }
  return edited
}

/** Returns another session with the change made; undefined where there is no such place. */
export function apply({ kind, path, value }: Edit, session: JsonMap): JsonMap | undefined {
  const edited = structuredClone(session)
  const [holder, last = ''] = [at(edited, path.slice(0, -1)), path.at(-1)]
  if (!isHolder(holder)) return undefined
  const before = own(holder, last)
  if (kind === 'add' ? (last === '-') !== Array.isArray(holder) : before === undefined) return undefined
  if (kind === 'add' && Array.isArray(holder)) holder.push(structuredClone(value))
  else if (kind === 'remove' && Array.isArray(before)) before.splice(value as number, 1)
  else if (kind === 'remove') return undefined
  else if (kind === 'delete') delete (holder as JsonMap)[last]
  else if (kind !== 'count') put(holder, last, structuredClone(value))
  else if (typeof before === 'number') put(holder, last, before + 1)
  else return undefined
  return edited
}

function put(holder: object, name: string, value: Json): void {
  Object.defineProperty(holder, name, { value, configurable: true, enumerable: true, writable: true })
}

function placesOf(value: Json, path: string[] = []): { path: string[]; value: Json }[] {
  const inner = isHolder(value) ? Object.entries(value) : []
  return [{ path, value }, ...inner.flatMap(([name, item]) => placesOf(item, [...path, name]))]
}
