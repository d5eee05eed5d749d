// Generated from contracts/urls.py, which explains each, by `python -m contracts.generate`. Do not edit.

export const RULE =
  'cannot be read: in a user name, a password or a name write @ as %40, : as %3A, / as %2F, # as %23, ? as %3F, [ as %5B and ] as %5D; a port is a number from 1 to 65535, and an IPv6 address stands in [ ]'
export const MAX_PORT = 65535
export const GUEST = 'guest'
