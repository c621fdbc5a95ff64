import { expect, it } from 'vitest';
import type { Account } from '../../src/providers/account.ts';
import { readAccounts } from '../../src/providers/accounts.ts';
import type { ConfiguredAccount } from '../../src/providers/definition.ts';
import { DEFINITIONS } from '../../src/providers/definitions.ts';
import { createMembers } from '../../src/providers/members.ts';
import { anAccount } from '../support/engineParts.ts';
import { createRecordingProvider } from '../support/recordingProvider.ts';
import { createRecordingUpstream } from '../support/servers/recordingUpstream.ts';

/** The members of a fleet, each with its server. */
const fleet = (servers: Record<string, string>, inFlight?: number): readonly ConfiguredAccount[] => {
  const members = Object.fromEntries(Object.entries(servers).map(([name, url]) => [name, { base_url: url }]));
  const limits = inFlight === undefined ? {} : { limits: { in_flight: inFlight } };
  const { accounts, problems } = readAccounts({
    file: { gpus: { provider: 'openai', members, ...limits } },
    env: {},
    definitions: DEFINITIONS,
  });
  expect(problems).toEqual([]);
  return accounts;
};

async function running(configured: readonly ConfiguredAccount[]) {
  const provider = createRecordingProvider({ upstream: createRecordingUpstream({}) });
  const opened: string[] = [];
  const open = async ({ id, member, account: { limits } }: ConfiguredAccount): Promise<Account> => {
    await Promise.resolve();
    opened.push(id);
    const places = limits?.inFlight === undefined ? {} : { inFlight: limits.inFlight };
    return { ...anAccount(provider, { id, limits: places }), ...(member ? { member: { ...member } } : {}) };
  };
  const accounts = await Promise.all(configured.map(open));
  opened.length = 0;
  const placesOf = ({ account }: ConfiguredAccount) => account.limits?.inFlight ?? 8;
  const members = createMembers({ accounts, configured, open, placesOf });
  const used = () => accounts.flatMap(({ id, member }) => (member?.isRemoved ? [] : id));
  return { ...members, accounts, opened, used };
}

it('a member that is added is opened once, and one that is removed stays open for its jobs', async () => {
  const { setMembers, used, opened, accounts } = await running(fleet({ a: 'http://a', b: 'http://b' }));
  const next = fleet({ b: 'http://b', c: 'http://c' });
  await Promise.all([setMembers(next), setMembers(next)]);
  expect(used()).toEqual(['gpus.b', 'gpus.c']);
  expect(opened).toEqual(['gpus.c']);
  expect(accounts.map(({ id }) => id)).toEqual(['gpus.a', 'gpus.b', 'gpus.c']);
});

it('a member that comes back is used again', async () => {
  const both = fleet({ a: 'http://a', b: 'http://b' });
  const { setMembers, used, opened } = await running(both);
  await setMembers(fleet({ b: 'http://b' }));
  await setMembers(both);
  expect(used()).toEqual(['gpus.a', 'gpus.b']);
  expect(opened).toEqual([]);
});

it('a member whose server is another one gets no tasks, because they would go to the one that it replaces', async () => {
  const { setMembers, used } = await running(fleet({ a: 'http://a', b: 'http://b' }));
  await setMembers(fleet({ a: 'http://z', b: 'http://b' }));
  expect(used()).toEqual(['gpus.b']);
});

it('a fleet that is taken out of the settings goes on with its members, which only change with it', async () => {
  const { setMembers, openFormer, used } = await running(fleet({ a: 'http://a', b: 'http://b' }));
  await setMembers(fleet({ b: 'http://b', c: 'http://c' }));
  await setMembers([]);
  expect(used()).toEqual(['gpus.b', 'gpus.c']);
  expect((await openFormer('gpus.x', 'http://x'))?.member).toMatchObject({ server: 'http://x' });
  await setMembers(fleet({ a: 'http://a' }));
  expect(used()).toEqual(['gpus.a']);
});

it('the places of a member are those of the file, or its provider’s', async () => {
  const { setMembers, accounts } = await running(fleet({ a: 'http://a' }, 2));
  const [account] = accounts;
  await setMembers(fleet({ a: 'http://a' }, 5));
  expect(account?.limits.inFlight).toBe(5);
  await setMembers(fleet({ a: 'http://a' }));
  expect(account?.limits.inFlight).toBe(8);
});

it('a member that only a job knows is opened at its server, once, and gets no tasks until it is configured', async () => {
  const { openFormer, setMembers, used, opened, accounts } = await running(fleet({ a: 'http://a' }, 2));
  const [one, two] = await Promise.all([openFormer('gpus.x', 'http://x'), openFormer('gpus.x', 'http://x')]);
  expect(one).toBe(two);
  expect(one?.member).toMatchObject({ server: 'http://x', isRemoved: true });
  expect(opened).toEqual(['gpus.x']);
  expect(used()).toEqual(['gpus.a']);
  await setMembers(fleet({ a: 'http://a', x: 'http://x' }, 3));
  expect(used()).toEqual(['gpus.a', 'gpus.x']);
  expect(accounts.find(({ id }) => id === 'gpus.x')?.limits.inFlight).toBe(3);
});

it('a member of a fleet that is not configured cannot be opened', async () => {
  const { openFormer, opened } = await running(fleet({ a: 'http://a' }));
  expect(await openFormer('others.x', 'http://x')).toBeUndefined();
  expect(opened).toEqual([]);
});
