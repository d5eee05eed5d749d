import fc from 'fast-check'

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json }
export type JsonMap = { [name: string]: Json }
type Draw = fc.GeneratorValue

/** A change of a session at one place: `set` what is there, `add` a key or an item, `delete` a key, `count` a number up. */
export interface Edit {
  kind: 'set' | 'add' | 'delete' | 'count'
  path: string[]
  value: Json
}

const names = fc.constantFrom('a', 'b', 'c', '__proto__', 'completedAt')
const { value: values, map: sessions } = fc.letrec<{ value: Json; map: JsonMap }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.constantFrom(null, false, true, 0, 1, 2, 0.5, '', 'x', 'y'),
    fc.array(tie('value'), { maxLength: 3 }),
    tie('map'),
  ),
  map: fc.array(fc.tuple(names, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
}))

export { sessions }

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
  const kind = draw(fc.constantFrom, ...kinds)
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
