export type { ChangesOptions, Gap } from './changes.js'
export type { OnConflict } from './conflicts.js'
export * from './errors.js'
export * from './merge.js'
export type * from './messages.js'
export type {
  ConflictOptions,
  ReadOptions,
  SessionStoreOptions,
  TraceHeaders,
  WriteOptions,
} from './options.js'
export * from './plugin.js'
export type { IStorageProvider, QueryOptions as ProviderQueryOptions, SessionFilter } from './provider.js'
export type { Page, StoredRecord, WriteResult } from './replies.js'
export * from './store.js'
export type { ChangeOrCreate, ChangeSession, UpdateOptions, UpdateResult } from './updates.js'
