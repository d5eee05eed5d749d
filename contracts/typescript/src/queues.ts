/** One piece of work on a session. Work of the same object that is asked for while this waits is the same work. */
interface Job {
  readonly subject: object | undefined
  deadline: number
  isStarted: boolean
  done: Promise<unknown>
}

/** Runs the work on each session in the order in which it was asked for, one after the other. Keeps nothing of idle sessions. */
export class SessionQueues {
  readonly #jobs = new Map<string, Job[]>()

  /**
   * Resolves with the result of `work`, once all earlier work on the session has ended, whichever way.
   *
   * Work on the same `subject` that waits last in the queue takes this call along: it runs once, until the later of both
   * deadlines, and both calls get its result.
   */
  run<T>(sessionId: string, deadline: number, work: (deadline: number) => Promise<T>, subject?: object): Promise<T> {
    const jobs = this.#jobs.get(sessionId) ?? []
    const last = jobs.at(-1)
    if (last && subject && last.subject === subject && !last.isStarted) {
      last.deadline = Math.max(last.deadline, deadline)
      return last.done as Promise<T>
    }
    const job: Job = { subject, deadline, isStarted: false, done: Promise.resolve() }
    this.#jobs.set(sessionId, [...jobs, job])
    const done = this.#runAfter(last?.done, job, work, sessionId)
    job.done = done
    return done
  }

  async #runAfter<T>(
    earlier: Promise<unknown> | undefined,
    job: Job,
    work: (deadline: number) => Promise<T>,
    sessionId: string,
  ): Promise<T> {
    if (earlier) await earlier.catch(() => undefined)
    job.isStarted = true // work on an idle session starts at once
    try {
      return await work(job.deadline)
    } finally {
      const waiting = this.#jobs.get(sessionId)?.filter((each) => each !== job) ?? []
      if (waiting.length > 0) this.#jobs.set(sessionId, waiting)
      else this.#jobs.delete(sessionId)
    }
  }
}
