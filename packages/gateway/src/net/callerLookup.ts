import dns, { type LookupAddress } from 'node:dns';
import { type AddressPolicy, isLocalhost } from './allowList.ts';
import type { Lookup } from './guardedConnect.ts';

/** For each question to each name server, milliseconds, and how often it is asked. */
const QUESTION = { timeout: 1500, tries: 2 };
/** For a name, whatever the number of name servers. Milliseconds. */
const LIMIT_MS = 5000;

/**
 * Resolves the host names of URLs from callers.
 *
 * Node's `dns.lookup` (getaddrinfo) holds one of two threads for as long as a name server is silent, and calls to upstreams need these
 * threads, too. So name servers are asked directly, which needs no thread. That knows neither the hosts file nor search domains: names that the
 * operator lists may depend on them and are trusted, so the system resolves those.
 */
export function createCallerLookup(
  policy: Pick<AddressPolicy, 'listsName'>,
  { resolver = new dns.promises.Resolver(QUESTION), limitMs = LIMIT_MS } = {},
): Lookup {
  async function ask(hostname: string): Promise<LookupAddress[]> {
    if (isLocalhost(hostname)) return [{ address: '127.0.0.1', family: 4 }];
    const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
    const [four, six] = answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    const found = [
      ...(four ?? []).map((address) => ({ address, family: 4 })),
      ...(six ?? []).map((address) => ({ address, family: 6 })),
    ];
    if (found.length > 0) return found;
    const errors = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
    // A name with addresses of one kind has no data of the other; a server that failed says more than that.
    throw errors.find(({ code }) => code !== dns.NODATA) ?? errors[0] ?? failed(dns.NOTFOUND, hostname);
  }

  return (hostname, options, callback) => {
    if (policy.listsName(hostname)) return dns.lookup(hostname, options, callback);
    const { promise, resolve, reject } = Promise.withResolvers<LookupAddress[]>();
    const timer = setTimeout(() => reject(failed(dns.TIMEOUT, hostname)), limitMs);
    ask(hostname).then(resolve, reject);
    promise
      .finally(() => clearTimeout(timer))
      .then(
        (found) => callback(null, found),
        (error) => callback(error, []),
      );
  };
}

const failed = (code: string, hostname: string): NodeJS.ErrnoException =>
  Object.assign(new Error(`${hostname} cannot be resolved: ${code}`), { code });
