import type { LookupAddress, LookupAllOptions } from 'node:dns';
import { isIP } from 'node:net';
import { buildConnector } from 'undici';
import type { AddressPolicy } from './allowList.ts';
import { FetchError } from './fetchError.ts';

/** Resolves a name to all of its addresses, as `dns.lookup` does. */
export type Lookup = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * A connector for undici that connects to allowed addresses only. It resolves the name, checks the addresses, and connects
 * to exactly those addresses, so that DNS rebinding has no effect.
 */
export function createGuardedConnector(
  policy: AddressPolicy,
  lookup: Lookup,
  timeoutMs: number,
): buildConnector.connector {
  const connect = buildConnector({
    timeout: timeoutMs,
    allowH2: false,
    lookup(hostname, options, callback) {
      lookup(hostname, { ...options, all: true }, (error, addresses) => {
        if (error) return callback(error, []);
        const allowed = addresses.filter(({ address }) => policy.allows(hostname, address));
        const [first] = allowed;
        if (!first) return callback(notPublic(addresses), []);
        if (options.all) callback(null, allowed);
        else callback(null, first.address, first.family);
      });
    },
  });

  return (options, callback) => {
    // Node connects to a literal address without resolving it, so the check above does not run.
    if (isIP(options.hostname) && !policy.allows(options.hostname, options.hostname)) {
      return callback(notPublic(), null);
    }
    connect(options, callback);
  };
}

export const notPublic = (addresses: readonly LookupAddress[] = []): FetchError =>
  new FetchError(
    'not_public',
    `resolved to ${addresses.map(({ address }) => address).join(', ') || 'nothing'}`,
  );
