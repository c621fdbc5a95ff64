import { expect, it } from 'vitest';
import type { EngineParts } from '../../../src/engine/parts.ts';
import { UpstreamError } from '../../../src/providers/provider.ts';
import { eventually } from '../../support/eventually.ts';
import { createNodes } from '../../support/nodes/world.ts';
import { onetake } from '../../support/processes/commandLine.ts';
import { tempFolder } from '../../support/tempFolder.ts';

it('the command line makes every node try a blocked account again', async () => {
  let broken = true;
  const tries: string[] = [];
  const nodes = await createNodes();
  const change = ({ cluster, accounts }: EngineParts) => ({
    accounts: accounts.map((account) => ({
      ...account,
      provider: {
        ...account.provider,
        submit: async (...given: Parameters<typeof account.provider.submit>) => {
          tries.push(cluster.node);
          if (broken) throw new UpstreamError('auth_failed', { created: 'no', detail: 'wrong key' });
          return account.provider.submit(...given);
        },
      },
    })),
  });
  const [one, two] = [await nodes.join(change), await nodes.join(change)];
  const first = await one.submit();
  await eventually(() =>
    expect(one.engine.waiting(first)).toMatchObject({ for: 'account_blocked', trouble: 'auth_failed' }),
  );
  // The other node knows the state and its reason, and does not try by itself.
  await eventually(() => expect(two.engine.waiting(first)).toMatchObject({ trouble: 'auth_failed' }));
  const second = await two.submit();
  await eventually(async () =>
    expect((await one.store.accounts())[0]).toMatchObject({ reason: 'auth_failed' }),
  );
  const before = tries.length;

  broken = false;
  const env = { ONETAKE_DATABASE_URL: nodes.url, ONETAKE_DATA_DIR: await tempFolder() };
  expect((await onetake(env, 'accounts', 'list')).stdout).toMatch(
    /^one {2}- {2}0 in flight {2}blocked since .* {2}auth_failed/m,
  );
  expect((await onetake(env, 'accounts', 'retry')).stdout).toBe('one is tried again with the next task.\n');
  for (const { id } of [first, second]) expect((await nodes.ends(id)).phase).toBe('succeeded');
  expect(tries.length).toBe(before + 2);
  await eventually(async () =>
    expect((await onetake(env, 'accounts', 'list')).stdout).toMatch(/^one .*works$/m),
  );
  expect((await onetake(env, 'accounts', 'retry', 'one')).stdout).toBe('one is not blocked.\n');
  expect((await onetake(env, 'accounts', 'retry')).stdout).toBe('No account is blocked.\n');
});
