import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Decides which addresses a connection may use. */
export interface AddressPolicy {
  /** Whether a connection to `address` is allowed. `hostname` is the name that resolved to it, or the address itself. */
  allows(hostname: string, address: string): boolean;
  /** Whether the operator lists this host by its name. */
  listsName(hostname: string): boolean;
}

/**
 * Allows public addresses and those that the operator lists: host names, addresses, or ranges such as `10.0.0.0/8`. Throws
 * if an entry is none of these.
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

  const listsName = (hostname: string): boolean => names.has(canonical(hostname));
  return {
    listsName,
    allows(hostname, address) {
      if (isPublicAddress(address) || listsName(hostname)) return true;
      const parsed = parseAddress(address);
      // ipaddr.js throws if the addresses are of different kinds.
      return (
        parsed !== undefined &&
        ranges.some(([base, bits]) => base.kind() === parsed.kind() && parsed.match(base, bits))
      );
    },
  };
}

const HOST_NAME = /^(?!\d+(\.\d+)*\.?$)[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$/i;

/** A host name in lower case, without the dot of the root zone at its end. */
const canonical = (hostname: string): string => hostname.toLowerCase().replace(/\.$/, '');

/** Whether a name means this machine, as RFC 6761 (section 6.3) says of `localhost` and all names below it. */
export const isLocalhost = (hostname: string): boolean => /^(?:.+\.)?localhost$/.test(canonical(hostname));

/** Azure's metadata and DNS service. Every virtual machine of Azure can reach it, and its address is in a public range. */
const AZURE_WIRE_SERVER = '168.63.129.16';

/** The range that IANA has assigned to global unicast so far (RFC 4291, section 2.4). */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/** NAT64's well-known prefix (RFC 6052): the last 32 bits are the IPv4 address that a host without IPv4 reaches through it. */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');

/**
 * Whether an IP address, in the form of a resolver or of `URL.hostname` without brackets, is on the public internet.
 * False for private, local, reserved, documentation and tunnel addresses, and for anything that is not an address.
 */
export function isPublicAddress(address: string): boolean {
  const parsed = parseAddress(address);
  if (!parsed) return false;
  if (parsed instanceof ipaddr.IPv4) return isPublicIPv4(parsed);
  if (parsed.match(NAT64)) return isPublicIPv4(ipaddr.IPv4.parse(lastOctets(parsed).join('.')));
  return parsed.range() === 'unicast' && parsed.match(GLOBAL_UNICAST);
}

/** Parses an address, with IPv4-mapped IPv6 (`::ffff:127.0.0.1`) as IPv4; undefined if it is not an address. */
function parseAddress(address: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  // Only dotted IPv4 with four decimal parts: connections never use another form.
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return ipaddr.IPv4.parse(address);
  return ipaddr.IPv6.isValid(address) ? ipaddr.process(address) : undefined;
}

function isPublicIPv4(address: ipaddr.IPv4): boolean {
  return address.range() === 'unicast' && address.toString() !== AZURE_WIRE_SERVER;
}

const lastOctets = (address: ipaddr.IPv6): number[] => address.toByteArray().slice(-4);
