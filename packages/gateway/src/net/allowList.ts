import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { isPublicAddress, parseAddress } from './publicAddress.ts';

/** Where a connection may go. */
export interface AddressPolicy {
  /** Whether a connection to `address` is allowed, which `hostname` is or was resolved to. */
  allows(hostname: string, address: string): boolean;
}

/**
 * Public addresses, and those that the operator lists: host names, addresses, or ranges such as `10.0.0.0/8`. Throws
 * where an entry is none of these.
 */
export function createAddressPolicy(allowHosts: readonly string[]): AddressPolicy {
  const ranges: [ipaddr.IPv4 | ipaddr.IPv6, number][] = [];
  const names = new Set<string>();
  for (const entry of allowHosts) {
    if (ipaddr.isValidCIDR(entry)) ranges.push(ipaddr.parseCIDR(entry));
    else if (isIP(entry)) ranges.push(ipaddr.parseCIDR(`${entry}/${isIP(entry) === 4 ? 32 : 128}`));
    else if (HOST_NAME.test(entry)) names.add(canonical(entry));
    else
      throw new Error(
        `ONETAKE_ALLOW_PRIVATE_HOSTS: "${entry}" is not a host name, an address or a range such as 10.0.0.0/8`,
      );
  }

  return {
    allows(hostname, address) {
      if (isPublicAddress(address) || names.has(canonical(hostname))) return true;
      const parsed = parseAddress(address);
      // Comparing addresses of different kinds is an error in ipaddr.js.
      return (
        parsed !== undefined &&
        ranges.some(([base, bits]) => base.kind() === parsed.kind() && parsed.match(base, bits))
      );
    },
  };
}

const HOST_NAME = /^(?!\d+(\.\d+)*\.?$)[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$/i;

/** The same host whether or not its name ends in the dot of the root. */
const canonical = (hostname: string): string => hostname.toLowerCase().replace(/\.$/, '');
