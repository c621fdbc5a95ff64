import { expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { burstBeyond, learnt, leaveBehind } from '../../support/nodes/runningJobs.ts';
import { createNodes, type Node } from '../../support/nodes/world.ts';

const CATALOGUE = { medianSeconds: 150, p90Seconds: 270 };

it('polls the jobs of a node that was away within the allowance, also once that is back, and by what was learnt', async () => {
  const nodes = await createNodes({ learns: true, limits: { pollsPerSecond: 10, inFlight: 100_000 } });
  const polls: { readonly at: number; readonly by: string }[] = [];
  const join = (by: string): Promise<Node> =>
    nodes.join(({ accounts }) => ({
      typicalTime: () => CATALOGUE,
      accounts: accounts.map((account) => ({
        ...account,
        provider: {
          ...account.provider,
          async poll() {
            polls.push({ at: performance.now(), by });
            return { state: 'in_progress' };
          },
        },
      })),
    }));
  const paused = await join('paused');
  const other = await join('other');
  const jobs = Array.from({ length: 2000 }, (_, n) => ({ job: `job ${n}`, ageMs: n * 50 }));
  // What it learns was stored after the other node read what is known.
  await learnt(paused.store, CATALOGUE, Date.now());
  const tasks = await leaveBehind(paused.store, Date.now(), jobs, paused.cluster.node);
  await nodes.cut(paused);
  await eventually(() => {
    expect(polls.filter(({ by }) => by === 'other').length).toBeGreaterThan(10);
    expect(polls.filter(({ by }) => by === 'paused').length).toBeGreaterThan(10);
  });
  const planned = tasks.slice(0, 200).flatMap(({ id, createdAt }) => {
    const { expectedAt } = other.engine.live(id) ?? {};
    return expectedAt === undefined ? [] : (expectedAt - createdAt) / 1000;
  });
  expect(planned.length).toBeGreaterThan(0);
  expect(Math.max(...planned)).toBeLessThan(100);
  // Half of the ten that the account may poll, and a second's worth at once. A call may go a little after its permit was due.
  expect(
    burstBeyond(
      polls.map(({ at }) => at),
      5,
    ),
  ).toBeLessThan(5 + 1.5);
});
