const SEVERAL_HOSTS = /^([^:]*:\/\/)([^/?#]*@)?([^/?#@]*)(.*)$/s

/**
 * Returns one URL for each host of `amqp://user:password@one,two:5673/vhost`, in the order written, each with the login,
 * virtual host and options of all. A text that is no URL is returned unchanged.
 */
export function splitHosts(url: string): string[] {
  const [, scheme = '', login = '', hosts = '', rest = ''] = SEVERAL_HOSTS.exec(url) ?? []
  return scheme ? hosts.split(',').map((host) => `${scheme}${login}${host}${rest}`) : [url]
}
