import ipaddr from 'ipaddr.js';

/** Azure's metadata and DNS service: in every virtual machine there, and the one such address in a public range. */
const AZURE_WIRE_SERVER = '168.63.129.16';

/** All that IANA has given out for the public IPv6 internet so far (RFC 4291, section 2.4). */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/** NAT64's well-known prefix (RFC 6052): how a host without IPv4 reaches the address in the last 32 bits. */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');

/**
 * Whether an IP address, as a resolver or `URL.hostname` without brackets spells it, is one of the public internet.
 * Whatever is private, local, reserved, for documentation, for tunnels or no address at all is not.
 */
export function isPublicAddress(address: string): boolean {
  const parsed = parseAddress(address);
  if (!parsed) return false;
  if (parsed instanceof ipaddr.IPv4) return isPublicIPv4(parsed);
  if (parsed.match(NAT64)) return isPublicIPv4(ipaddr.IPv4.parse(lastOctets(parsed).join('.')));
  return parsed.range() === 'unicast' && parsed.match(GLOBAL_UNICAST);
}

/** An address with IPv4 in its IPv6 spelling (`::ffff:127.0.0.1`) taken for what it is; undefined where it is none. */
export function parseAddress(address: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  // Only the dotted spelling with four decimal parts: what connects is never anything else.
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return ipaddr.IPv4.parse(address);
  return ipaddr.IPv6.isValid(address) ? ipaddr.process(address) : undefined;
}

function isPublicIPv4(address: ipaddr.IPv4): boolean {
  return address.range() === 'unicast' && address.toString() !== AZURE_WIRE_SERVER;
}

const lastOctets = (address: ipaddr.IPv6): number[] => address.toByteArray().slice(-4);
