import dns, { type LookupAddress } from 'node:dns';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AddressPolicy, isLocalhost } from './allowList.ts';
import type { Lookup } from './guardedConnect.ts';

/** For each question to each name server, milliseconds, and how often it is asked. */
const QUESTION = { timeout: 1500, tries: 2 };
/** For a name, whatever the number of name servers. Milliseconds. */
const LIMIT_MS = 5000;
/** How long addresses of IPv4 wait for those of IPv6, about which some name servers are silent. Milliseconds. */
const IPV6_MS = 250;

/**
 * Resolves the host names of URLs from callers.
 *
 * Node's `dns.lookup` (getaddrinfo) holds one of two threads for as long as a name server is silent, and calls to upstreams need these
 * threads, too. So name servers are asked directly, which needs no thread. That knows neither the hosts file nor search domains: names that the
 * operator lists may depend on them and are trusted, so the system resolves those.
 */
export function createCallerLookup(
  policy: Pick<AddressPolicy, 'listsName'>,
  {
    // Each name has one of its own: it reads the system's name servers once, and these change while a gateway runs.
    resolver: newResolver = () => new dns.promises.Resolver(QUESTION),
    limitMs = LIMIT_MS,
  } = {},
): Lookup {
  async function ask(hostname: string): Promise<LookupAddress[]> {
    if (isLocalhost(hostname)) return [{ address: '127.0.0.1', family: 4 }];
    const resolver = newResolver();
    const found: LookupAddress[] = [];
    const add = (family: number) => (addresses: string[]) => {
      found.push(...addresses.map((address) => ({ address, family })));
    };
    const four = resolver.resolve4(hostname).then(add(4));
    const both = Promise.allSettled([four, resolver.resolve6(hostname).then(add(6))]);
    const limit = new AbortController();
    const after = (ms: number) => sleep(ms, undefined, { signal: limit.signal }).catch(() => undefined);
    try {
      // Not the other way round: many machines have no IPv6, so its addresses alone may be of no use.
      const enough = four.then(() => Promise.race([both, after(IPV6_MS)]));
      await Promise.race([enough.catch(() => both), after(limitMs)]);
      if (found.length > 0) return found.sort((a, b) => a.family - b.family);
      // If the limit has come first: ends what is still asked.
      resolver.cancel();
      const errors = (await both).flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
      throw worst(errors) ?? failed(dns.NOTFOUND, hostname);
    } finally {
      limit.abort();
      resolver.cancel();
    }
  }

  return (hostname, options, callback) => {
    if (policy.listsName(hostname)) return dns.lookup(hostname, options, callback);
    ask(hostname).then(
      (found) => callback(null, found),
      (error) => callback(error, []),
    );
  };
}

/** The error that says most: a name with addresses of one kind has no data of the other. */
function worst(errors: readonly NodeJS.ErrnoException[]): NodeJS.ErrnoException | undefined {
  const [error] = [...errors.filter(({ code }) => code !== dns.NODATA), ...errors];
  if (error?.code === dns.CANCELLED) return Object.assign(error, { code: dns.TIMEOUT });
  return error;
}

const failed = (code: string, hostname: string): NodeJS.ErrnoException =>
  Object.assign(new Error(`${hostname} cannot be resolved: ${code}`), { code });
