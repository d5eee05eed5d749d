export type { ChangesOptions, Gap } from './changes.js'
export * from './errors.js'
export type * from './messages.js'
export type {
  Page,
  ReadOptions,
  SessionStoreOptions,
  StoredRecord,
  TraceHeaders,
  WriteOptions,
  Written,
} from './options.js'
export * from './plugin.js'
export type { IStorageProvider, QueryOptions as ProviderQueryOptions, SessionFilter } from './provider.js'
export * from './store.js'
