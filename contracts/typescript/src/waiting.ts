/** A promise and the functions that settle it. */
export interface Deferred<T> {
  promise: Promise<T>
  resolve: (value: T) => void
  reject: (reason: Error) => void
}

/** Returns a promise to settle from outside; a rejection that nobody handles is no error. */
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
export async function raceUntil<T>(deadline: number, ...promises: Promise<T>[]): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.max(deadline - performance.now(), 0))
  })
  try {
    return await Promise.race([...promises, timeout])
  } finally {
    clearTimeout(timer)
  }
}

/** Waits until a promise is settled either way, so many milliseconds at most. */
export async function settledWithin(milliseconds: number, promise: Promise<unknown>): Promise<void> {
  const settled = promise.then(
    () => undefined,
    () => undefined,
  )
  await raceUntil(performance.now() + milliseconds, settled)
}

/**
 * Callbacks that wait for one event. A reaction to a promise that outlives its caller is kept until that promise is
 * settled, with all it refers to; a callback here can be removed.
 */
export class Waiters {
  readonly #callbacks = new Set<() => void>()

  /** Adds a callback, which is called once; returns the function that removes it. */
  add(callback: () => void): () => void {
    this.#callbacks.add(callback)
    return () => this.#callbacks.delete(callback)
  }

  /** Resolves with whether `wake` was called by the deadline. */
  async wait(deadline: number): Promise<boolean> {
    const woken = defer<boolean>()
    const remove = this.add(() => woken.resolve(true))
    const isWoken = await raceUntil(deadline, woken.promise)
    remove()
    return isWoken ?? false
  }

  /** Calls all callbacks in the order of their addition, and forgets them. */
  wake(): void {
    const callbacks = [...this.#callbacks]
    this.#callbacks.clear()
    for (const callback of callbacks) callback()
  }
}

/** A value or an error that is set once, as of a promise; a caller that waits in vain leaves nothing behind. */
export class Latch<T> {
  readonly #waiters = new Waiters()
  #settled: { value: T } | { reason: Error } | undefined

  /** Sets the value, unless the latch is settled. */
  resolve(value: T): void {
    this.#settled ??= { value }
    this.#waiters.wake()
  }

  /** Sets the error, unless the latch is settled. */
  reject(reason: Error): void {
    this.#settled ??= { reason }
    this.#waiters.wake()
  }

  /** Resolves with the value, or with nothing at the deadline; throws the error. */
  async wait(deadline: number): Promise<T | undefined> {
    if (!this.#settled) await this.#waiters.wait(deadline)
    if (this.#settled && 'reason' in this.#settled) throw this.#settled.reason
    return this.#settled?.value
  }
}
