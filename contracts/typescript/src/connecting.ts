import { type ChannelModel, connect, type Options } from 'amqplib'
import { type BrokerAddress, type BrokerHost, readAddress } from './address.js'
import { MisconfiguredError } from './errors.js'
import { CONNECT_TIMEOUT_MS, HEARTBEAT_SECONDS } from './limits.js'
import { tlsOptions } from './tls.js'
import { GUEST } from './urls.js'

/** The library distinguishes a refused login from other ends of the handshake by the text of its error alone. */
const REFUSED = /^Handshake terminated by server: 403 /

/** The kernel asks on an idle connection after this time, then every second, and ends it after ten questions. */
const KEEP_ALIVE_DELAY_MS = 3000

/** The options of a URL that the library knows; it reads their numbers itself. */
const LIBRARY_OPTIONS = ['heartbeat', 'frameMax', 'channelMax', 'locale']

/**
 * Resolves with a connection to the first host of the URL that answers; each host has an equal share of the time.
 * Throws MisconfiguredError where the broker refuses the login.
 */
export async function openConnection(url: string): Promise<ChannelModel> {
  const address = readAddress(url)
  let failure: unknown
  for (const host of address.hosts) {
    try {
      return await connectToHost(address, host, CONNECT_TIMEOUT_MS / address.hosts.length)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

async function connectToHost(address: BrokerAddress, host: BrokerHost, timeout: number): Promise<ChannelModel> {
  try {
    return await connect(
      { ...connectionOf(address), ...host },
      {
        ...tlsOptions(address, host.hostname),
        noDelay: true,
        keepAlive: true,
        keepAliveDelay: KEEP_ALIVE_DELAY_MS,
        timeout,
        clientProperties: { connection_name: 'session-store-client' },
      },
    )
  } catch (error) {
    if (error instanceof Error && REFUSED.test(error.message)) {
      throw new MisconfiguredError(`the broker refuses the login: ${error.message}`, { cause: error })
    }
    throw error
  }
}

function connectionOf({ scheme, user, password, vhost, options }: BrokerAddress): Options.Connect {
  return {
    heartbeat: HEARTBEAT_SECONDS,
    ...Object.fromEntries(
      LIBRARY_OPTIONS.filter((name) => options.has(name)).map((name) => [name, options.get(name)]),
    ),
    protocol: scheme,
    username: user || GUEST,
    password: password || GUEST,
    vhost: encodeURIComponent(vhost || '/'), // the library decodes it
  }
}
