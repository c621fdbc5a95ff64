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
   * The operator states that the proxy itself refuses private addresses. Then the proxy resolves names, which also works if this
   * machine cannot. Otherwise names are resolved here, and the proxy is given the address that was checked.
   */
  readonly proxyResolves: boolean;
}

/** How to request a URL through a proxy: the dispatcher, and the URL to request with it. */
export interface Tunnel {
  readonly dispatcher: Dispatcher;
  readonly url: URL;
}

/** Creates tunnels through a proxy to allowed addresses only. Throws `FetchError`, or the error of the resolver. */
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
    // One per request, as for direct connections, so nothing stays open and callers share nothing.
    const dispatcher = new ProxyAgent({
      uri: proxy,
      connectTimeout: timeoutMs,
      pipelining: 0,
      // The certificate is checked for the host name, even if the proxy is given an address.
      ...(isIP(hostname) ? {} : { requestTls: { servername: hostname } }),
    });
    return { dispatcher, url: target };
  };
}
