import { describe, expect, it } from 'vitest';
import { readAccounts } from '../../src/providers/accounts.ts';
import { DEFINITIONS } from '../../src/providers/definitions.ts';
import { formerMember } from '../../src/providers/fleet.ts';

const read = (gpus: Record<string, unknown>) =>
  readAccounts({ file: { gpus: { provider: 'openai', ...gpus } }, env: {}, definitions: DEFINITIONS });
const A = { base_url: 'http://gpu-a:8000/v1', limits: { in_flight: 2 } };
const B = { base_url: 'http://gpu-b:8000/v1' };

describe('an account with members', () => {
  it('is an account for each member, which shares what it does not have itself', () => {
    const { accounts, problems } = read({
      models: ['sora-2'],
      limits: { in_flight: 4, polls_per_second: 5 },
      members: { a: A, b: B },
    });
    expect(problems).toEqual([]);
    expect(accounts).toMatchObject([
      {
        id: 'gpus.a',
        account: { base_url: A.base_url, models: ['sora-2'], limits: { inFlight: 2, pollsPerSecond: 5 } },
        member: { fleet: 'gpus', server: A.base_url, lostAfterMs: 600_000 },
      },
      {
        id: 'gpus.b',
        account: { base_url: B.base_url, models: ['sora-2'], limits: { inFlight: 4, pollsPerSecond: 5 } },
      },
    ]);
  });

  it('says how long its servers may be silent, and whether their jobs are made again', () => {
    const { accounts } = read({ lost_after_seconds: 30, resubmit_unknown: true, members: { a: A } });
    expect(accounts[0]?.member).toMatchObject({ lostAfterMs: 30_000, resubmitUnknown: true });
  });

  it.each([
    ['no member', { members: {} }, 'accounts.gpus.members: must have at least one member'],
    [
      'a base URL of its own',
      { base_url: 'http://x', members: { a: A } },
      'accounts.gpus.base_url: each member has its own',
    ],
    ['a member without a base URL', { members: { a: {} } }, 'accounts.gpus.members.a.base_url: is missing'],
    [
      'a base URL that is none',
      { members: { a: { base_url: 'gpu-a' }, b: B } },
      'accounts.gpus.members.a.base_url: must be an http or https URL',
    ],
    [
      'a limit that is wrong',
      { members: { a: { ...A, limits: { in_flight: 0 } } } },
      /^accounts\.gpus\.members\.a\.limits\.in_flight: /,
    ],
    ['a name with a dot', { members: { 'a.b': A } }, /^accounts\.gpus\.members\.a\.b: a name may hold/],
    [
      'one server twice',
      { members: { a: B, b: B } },
      /^accounts\.gpus\.members\.b\.base_url: is also that of gpus\.a/,
    ],
    [
      'a setting that no member has',
      { members: { a: { ...A, api_key: 'x' } } },
      /^accounts\.gpus\.members\.a: /,
    ],
    [
      'a bound of no time',
      { lost_after_seconds: 0, members: { a: A } },
      /^accounts\.gpus\.lost_after_seconds: /,
    ],
  ])('is refused with %s, once and where it is wrong', (_what, gpus, problem) => {
    const { problems } = read(gpus);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
  });

  it('says once what is wrong with all members', () => {
    const { problems } = read({ models: [], members: { a: A, b: B } });
    expect(problems).toEqual([expect.stringMatching(/^accounts\.gpus\.models: /)]);
  });

  it('is refused for a service, which bills', () => {
    const key = { api_key: { env: 'KEY' }, flavour: 'azure', members: { a: A } };
    const { problems } = readAccounts({
      file: { gpus: { provider: 'openai', ...key } },
      env: { KEY: 'k' },
      definitions: DEFINITIONS,
    });
    expect(problems).toEqual([
      'accounts.gpus.members: are for servers of your own, not for accounts of a service.',
    ]);
  });

  it('is needed for a bound after which jobs are lost', () => {
    const { problems } = read({ base_url: 'http://x', lost_after_seconds: 60 });
    expect(problems[0]).toMatch(/lost_after_seconds/);
  });
});

describe('a former member', () => {
  it('is reached where its job was submitted, with what the members of its fleet share', () => {
    const { accounts } = read({ json_create: true, members: { a: A } });
    expect(formerMember(accounts, 'gpus.gone', 'http://gpu-gone:8000/v1')).toMatchObject({
      id: 'gpus.gone',
      account: { base_url: 'http://gpu-gone:8000/v1', json_create: true },
      member: { fleet: 'gpus', server: 'http://gpu-gone:8000/v1' },
    });
  });

  it('of a fleet that is not configured is not known', () => {
    const { accounts } = read({ members: { a: A } });
    expect(formerMember(accounts, 'others.a', 'http://x')).toBeUndefined();
    expect(formerMember(accounts, 'gpusx.a', 'http://x')).toBeUndefined();
  });
});
