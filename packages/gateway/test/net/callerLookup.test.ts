import { createSocket, type Socket } from 'node:dgram';
import dns, { type LookupAddress } from 'node:dns';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { createCallerLookup } from '../../src/net/callerLookup.ts';

const [A, AAAA] = [1, 28];
const [NO_ERROR, SERVER_FAILED, NO_SUCH_NAME] = [0, 2, 3];

interface Given {
  readonly code: number;
  readonly address?: Buffer;
}

/** A name server on loopback that gives what `answer` returns for a name and a type; undefined: it is silent. */
async function nameServer(
  answer: (name: string, type: number) => Given | undefined | Promise<Given>,
): Promise<{ resolver: dns.promises.Resolver; asked: string[]; socket: Socket }> {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', async (query, from) => {
    const { name, end } = nameIn(query);
    asked.push(name);
    const type = query.readUInt16BE(end);
    const given = await answer(name, type);
    if (given) socket.send(response(query.subarray(0, end + 4), type, given), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  const resolver = new dns.promises.Resolver({ timeout: 5000, tries: 1 });
  resolver.setServers([`127.0.0.1:${(socket.address() as AddressInfo).port}`]);
  onTestFinished(() => resolver.cancel());
  return { resolver, asked, socket };
}

/** The name of the only question of a message (RFC 1035, section 4.1), and where its type begins. */
function nameIn(query: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}

function response(question: Buffer, type: number, { code, address }: { code: number; address?: Buffer }) {
  const head = Buffer.from(question);
  head.writeUInt16BE(0x8180 | code, 2);
  head.writeUInt16BE(address ? 1 : 0, 6);
  head.writeUInt32BE(0, 8);
  if (!address) return head;
  const record = Buffer.from([0xc0, 0x0c, 0, type, 0, 1, 0, 0, 0, 60, 0, address.length, ...address]);
  return Buffer.concat([head, record]);
}

const resolved = (lookup: ReturnType<typeof createCallerLookup>, name: string): Promise<LookupAddress[]> =>
  new Promise((resolve, reject) =>
    lookup(name, { all: true }, (error, found) => (error ? reject(error) : resolve(found))),
  );

const lists = (...names: string[]) => ({ listsName: (name: string) => names.includes(name) });

it('finds the addresses of both kinds', async () => {
  const { resolver } = await nameServer((_name, type) => ({
    code: NO_ERROR,
    address:
      type === A ? Buffer.from([203, 0, 113, 5]) : Buffer.from('20010db8000000000000000000000001', 'hex'),
  }));
  expect(await resolved(createCallerLookup(lists(), { resolver: () => resolver }), 'both.example')).toEqual([
    { address: '203.0.113.5', family: 4 },
    { address: '2001:db8::1', family: 6 },
  ]);
});

it('a name with addresses of one kind is one that exists', async () => {
  const { resolver } = await nameServer((_name, type) =>
    type === AAAA ? { code: NO_ERROR } : { code: NO_ERROR, address: Buffer.from([203, 0, 113, 5]) },
  );
  expect(await resolved(createCallerLookup(lists(), { resolver: () => resolver }), 'four.example')).toEqual([
    { address: '203.0.113.5', family: 4 },
  ]);
});

it('waits for IPv4, which comes last, because many machines have nothing else', async () => {
  const { resolver } = await nameServer(async (_name, type) => {
    if (type === AAAA)
      return { code: NO_ERROR, address: Buffer.from('20010db8000000000000000000000001', 'hex') };
    // Longer than IPv6 is waited for.
    await sleep(400);
    return { code: NO_ERROR, address: Buffer.from([203, 0, 113, 5]) };
  });
  const lookup = createCallerLookup(lists(), { resolver: () => resolver });
  expect((await resolved(lookup, 'both.example')).map(({ family }) => family)).toEqual([4, 6]);
});

it('goes on with one kind if the server is silent about the other', async () => {
  const { resolver } = await nameServer((_name, type) =>
    type === AAAA ? undefined : { code: NO_ERROR, address: Buffer.from([203, 0, 113, 5]) },
  );
  const lookup = createCallerLookup(lists(), { resolver: () => resolver, limitMs: 3_600_000 });
  expect(await resolved(lookup, 'four.example')).toEqual([{ address: '203.0.113.5', family: 4 }]);
});

it('asks the name servers that there are when it asks', async () => {
  const answer = { code: NO_ERROR, address: Buffer.from([203, 0, 113, 5]) };
  const [before, now] = [await nameServer(() => undefined), await nameServer(() => answer)];
  const resolvers = [before.resolver, now.resolver];
  const lookup = createCallerLookup(lists(), {
    resolver: () => resolvers.shift() ?? now.resolver,
    limitMs: 50,
  });
  await expect(resolved(lookup, 'x.example')).rejects.toMatchObject({ code: 'ETIMEOUT' });
  expect((await resolved(lookup, 'x.example')).map(({ address }) => address)).toContain('203.0.113.5');
});

it.each([
  ['missing', { code: NO_SUCH_NAME }, 'ENOTFOUND'],
  ['without an address', { code: NO_ERROR }, 'ENODATA'],
  ['of a server that fails', { code: SERVER_FAILED }, 'ESERVFAIL'],
])('a name that is %s is an error that says so', async (_what, given, code) => {
  const { resolver } = await nameServer(() => given);
  await expect(
    resolved(createCallerLookup(lists(), { resolver: () => resolver }), 'x.example'),
  ).rejects.toMatchObject({
    code,
  });
});

it('a silent name server holds no thread', async () => {
  const { resolver, asked, socket } = await nameServer(() => undefined);
  const lookup = createCallerLookup(lists(), { resolver: () => resolver, limitMs: 3_600_000 });
  const names = Array.from({ length: 20 }, (_, n) => `silent${n}.example`);
  const first = once(socket, 'message');
  let ended = 0;
  const lookups = names.map((name) => resolved(lookup, name).finally(() => (ended += 1)));
  const all = Promise.allSettled(lookups);
  await first;
  // The system's resolver needs a thread.
  await dns.promises.lookup('localhost');
  expect(ended).toBe(0);
  resolver.cancel();
  for (const outcome of await all) expect(outcome).toMatchObject({ reason: { code: 'ETIMEOUT' } });
  expect(asked.length).toBeGreaterThan(0);
});

it('a name is given up after the limit', async () => {
  const { resolver } = await nameServer(() => undefined);
  const lookup = createCallerLookup(lists(), { resolver: () => resolver, limitMs: 50 });
  await expect(resolved(lookup, 'silent.example')).rejects.toMatchObject({ code: 'ETIMEOUT' });
});

it('a name that the operator lists is left to the system, with its hosts file', async () => {
  const { resolver, asked } = await nameServer(() => ({ code: NO_SUCH_NAME }));
  const found = await resolved(
    createCallerLookup(lists('localhost'), { resolver: () => resolver }),
    'localhost',
  );
  expect(found.map(({ address }) => address)).toContain('127.0.0.1');
  expect(asked).toEqual([]);
});

it('no name server is asked about this machine', async () => {
  const { resolver, asked } = await nameServer(() => ({ code: NO_SUCH_NAME }));
  const lookup = createCallerLookup(lists(), { resolver: () => resolver });
  for (const name of ['localhost', 'x.LOCALHOST', 'localhost.'])
    expect(await resolved(lookup, name)).toEqual([{ address: '127.0.0.1', family: 4 }]);
  expect(asked).toEqual([]);
});
