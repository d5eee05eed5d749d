/** A promise and what settles it. */
export interface Deferred<T> {
  promise: Promise<T>
  resolve: (value: T) => void
  reject: (reason: Error) => void
}

/** Returns a promise to settle from outside; nobody has to look at its rejection. */
export function defer<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => undefined
  let reject: (reason: Error) => void = () => undefined
  const promise = new Promise<T>((onValue, onReason) => {
    resolve = onValue
    reject = onReason
  })
  promise.catch(() => undefined)
  return { promise, resolve, reject }
}

/** Settles as the first of the promises, or with nothing at the deadline (milliseconds of `performance.now()`). */
export async function first<T>(deadline: number, ...promises: Promise<T>[]): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.max(deadline - performance.now(), 0))
  })
  try {
    return await Promise.race([...promises, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Waits for the end of something, good or bad, so long at most. */
export async function unlessLate(milliseconds: number, ending: Promise<unknown>): Promise<void> {
  const settled = ending.then(
    () => undefined,
    () => undefined,
  )
  await first(performance.now() + milliseconds, settled)
}

/**
 * Those who wait for something that may be long in coming. Who waits by a promise that outlives it is kept, with all it
 * holds, until that promise is settled; who waits here and goes leaves nothing.
 */
export class Waiters {
  readonly #tells = new Set<() => void>()

  /** Has somebody told, once; returns what takes it back. */
  add(tell: () => void): () => void {
    this.#tells.add(tell)
    return () => this.#tells.delete(tell)
  }

  /** Resolves with whether all were told by the deadline. */
  async wait(deadline: number): Promise<boolean> {
    const told = defer<boolean>()
    const forget = this.add(() => told.resolve(true))
    const isTold = await first(deadline, told.promise)
    forget()
    return isTold ?? false
  }

  /** Tells all, those who came first at first. */
  wake(): void {
    const tells = [...this.#tells]
    this.#tells.clear()
    for (const tell of tells) tell()
  }
}

/** What comes or fails once, as of a promise; who has waited for it in vain leaves nothing behind. */
export class Coming<T> {
  readonly #waiters = new Waiters()
  #settled: { value: T } | { reason: Error } | undefined

  /** Has it come. */
  resolve(value: T): void {
    this.#settled ??= { value }
    this.#waiters.wake()
  }

  /** Has it failed. */
  reject(reason: Error): void {
    this.#settled ??= { reason }
    this.#waiters.wake()
  }

  /** Resolves with what came, or with nothing at the deadline; throws where it failed. */
  async within(deadline: number): Promise<T | undefined> {
    if (!this.#settled) await this.#waiters.wait(deadline)
    if (this.#settled && 'reason' in this.#settled) throw this.#settled.reason
    return this.#settled?.value
  }
}
