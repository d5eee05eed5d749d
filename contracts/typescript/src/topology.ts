// Generated from contracts/topology.py, which explains each, by `python -m contracts.generate`. Do not edit.

export const SESSIONS_EXCHANGE = 'sessions'
export const DEAD_EXCHANGE = 'sessions.dead'
export const CHANGES_EXCHANGE = 'sessions.changes'
export const WRITE_KEY = 'session.write'
export const DELETE_KEY = 'session.delete'
export const ERASE_KEY = 'player.erase'
export const RPC_KEY = 'session.rpc'
export const STORED_KEY = 'session.stored'
export const DELETED_KEY = 'session.deleted'
export const DEAD_QUEUE = 'session.dead.letters'
export const FORMER_DEAD_QUEUE = 'session.dead'
export const PROBE_QUEUE = 'session.dead.probe'
export const REPLY_KEY = 'session.reply'
export const DIRECT_REPLY = 'amq.rabbitmq.reply-to'
export const REPLY_QUEUE_PREFIX = 'session.reply.'
export const CHANGES_QUEUE_PREFIX = 'session.changes.'
export const SIGNATURE_HEADER = 'x-signature'
export const DEADLINE_HEADER = 'deadline'
export const EVENT_CONTENT_TYPE = 'application/cloudevents+json'
export const RPC_CONTENT_TYPE = 'application/json'
export const DELIVERY_LIMIT = 20
export const NEVER_REACHED = 1000000000
export const RPC_TTL_MS = 30000
export const RPC_MAX_LENGTH = 10000
