import { describe, expect, it } from 'vitest';
import { createAddressPolicy } from '../../src/net/allowList.ts';

describe('the operator may allow', () => {
  it.each<[string, string, string, string]>([
    ['a host by name', 'images.internal', 'images.internal', '10.1.2.3'],
    ['a host in any case, with the root dot', 'Images.Internal', 'images.INTERNAL.', '10.1.2.3'],
    ['an address', '10.1.2.3', 'x.example', '10.1.2.3'],
    ['an address over its IPv6 spelling', '10.1.2.3', 'x.example', '::ffff:10.1.2.3'],
    ['a range', '10.0.0.0/8', 'x.example', '10.255.0.1'],
    ['an IPv6 address', 'fd00::1', 'x.example', 'fd00::1'],
    ['an IPv6 range', 'fd00::/8', 'x.example', 'fd12::1'],
  ])('%s', (_what, entry, hostname, address) => {
    expect(createAddressPolicy([entry]).allows(hostname, address)).toBe(true);
    expect(createAddressPolicy([]).allows(hostname, address)).toBe(false);
  });

  it('nothing else', () => {
    const policy = createAddressPolicy(['images.internal', '10.0.0.0/8', 'fd00::1']);
    expect(policy.allows('other.internal', '192.168.0.1')).toBe(false);
    expect(policy.allows('evil-images.internal', '192.168.0.1')).toBe(false);
    expect(policy.allows('sub.images.internal', '192.168.0.1')).toBe(false);
    expect(policy.allows('x.example', '11.0.0.1')).toBe(true);
    expect(policy.allows('x.example', 'fd00::2')).toBe(false);
    expect(policy.allows('x.example', '::1')).toBe(false);
  });
});

it.each(['10.0.0.0/33', '10.0.0', 'http://images.internal', 'images.internal:80', '*', 'a b', ''])(
  'the setting "%s" is refused',
  (entry) => expect(() => createAddressPolicy([entry])).toThrow(/is not a host name, an address or a range/),
);
