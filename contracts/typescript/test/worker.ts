import type { SessionStoreOptions } from '../src/index.js'

function variable(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} must name a running installation; run these tests by make test`)
  return value
}

/** How to reach the installation that the tests run against. */
export function options(changed: Partial<SessionStoreOptions> = {}): SessionStoreOptions {
  return { url: variable('AMQP_URL'), prefix: variable('SESSION_STORE_PREFIX'), timeoutMs: 20_000, ...changed }
}
