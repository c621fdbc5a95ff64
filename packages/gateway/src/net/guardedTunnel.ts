import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { type Dispatcher, ProxyAgent } from 'undici';
import type { AddressPolicy } from './allowList.ts';
import { type Lookup, notPublic } from './guardedConnect.ts';

export interface TunnelOptions {
  readonly policy: AddressPolicy;
  readonly lookup: Lookup;
  readonly timeoutMs: number;
  /**
   * The operator's word that the proxy itself refuses private addresses: names are left to it, as where this machine can resolve
   * none. Otherwise they are resolved here, and the proxy is asked for the address that was checked.
   */
  readonly proxyResolves: boolean;
}

/** The way to a URL through a proxy: what to ask for there, and how. */
export interface Tunnel {
  readonly dispatcher: Dispatcher;
  readonly url: URL;
}

/** Makes ways through a proxy to allowed addresses only. Throws `FetchError`, or what resolving throws. */
export function createGuardedTunnel({ policy, lookup, timeoutMs, proxyResolves }: TunnelOptions) {
  async function addressOf(hostname: string): Promise<string> {
    if (isIP(hostname)) {
      if (policy.allows(hostname, hostname)) return hostname;
      throw notPublic();
    }
    const addresses = await new Promise<LookupAddress[]>((resolve, reject) => {
      lookup(hostname, { all: true }, (error, found) => (error ? reject(error) : resolve(found)));
    });
    const allowed = addresses.find(({ address }) => policy.allows(hostname, address));
    if (allowed) return allowed.address;
    throw notPublic(addresses);
  }

  return async (proxy: string, url: URL): Promise<Tunnel> => {
    const hostname = url.hostname.replace(/^\[|\]$/g, '');
    const leftToProxy = proxyResolves && !isIP(hostname);
    const address = leftToProxy ? hostname : await addressOf(hostname);
    const target = new URL(url);
    target.hostname = isIP(address) === 6 ? `[${address}]` : address;
    // One for each request, as connections of callers' URLs are: nothing stays open, nothing is shared.
    const dispatcher = new ProxyAgent({
      uri: proxy,
      connectTimeout: timeoutMs,
      pipelining: 0,
      // The certificate is the host's, whatever the proxy is asked for.
      ...(isIP(hostname) ? {} : { requestTls: { servername: hostname } }),
    });
    return { dispatcher, url: target };
  };
}
