/** A change in place returns nothing; another returns the session to store. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function without a return statement is welcome
type Changed<S> = S | undefined | void

/** Changes a session: in place, or by returning another. It may be called again, with the session as it is stored then. */
export type ChangeSession<S> = (session: S) => Changed<S> | Promise<Changed<S>>

/** The same for a session that may be missing: then it gets null, and returns the session to create. */
export type ChangeOrCreate<S> = (session: S | null) => Changed<S> | Promise<Changed<S>>

/** The behaviour of an update without a session: refuse with NotFoundError, or store what `change` returns. */
export interface UpdateOptions {
  missing?: 'refuse' | 'create'
}

/** A session as an update left it, and its revision. */
export interface UpdateResult<S> {
  session: S
  revision: number
}
