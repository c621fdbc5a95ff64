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
 * A connector for undici that connects to allowed addresses only. The check sits between resolving and connecting, and
 * the very addresses that passed it are connected to, so that a name which resolves differently the next moment
 * changes nothing.
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
    // Node connects to a literal address without resolving, so without the check above.
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
