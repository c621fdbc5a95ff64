import { afterEach, describe, expect, it } from 'vitest';
import { startToyWorld, type ToyWorld } from '../support/toyShared.ts';

const MINUTE = 60_000;
const worlds: ToyWorld[] = [];

async function start(options: Parameters<typeof startToyWorld>[0] = {}): Promise<ToyWorld> {
  const world = await startToyWorld(options);
  worlds.push(world);
  return world;
}

afterEach(() => Promise.all(worlds.splice(0).map((world) => world.close())));

/** When each state was reached, counted from the creation. */
async function course(world: ToyWorld, prompt: string): Promise<{ id: string; waited: number; ran: number }> {
  const id = await world.submit(prompt);
  world.advance(60 * MINUTE);
  const job = world.toy.jobs.find(id);
  const { createdAt = 0, startedAt = 0, endedAt = 0 } = job ?? {};
  return { id, waited: Math.round(startedAt - createdAt), ran: Math.round(endedAt - startedAt) };
}

describe('jobs', () => {
  it('take the same time and get the same id under the same seed, whatever else goes on', async () => {
    const one = await start({ seed: 'a' });
    const other = await start({ seed: 'a' });
    await other.submit('something in between');
    const first = await course(one, 'a boat');
    expect(await course(other, 'a boat')).toEqual(first);
    expect(first.ran).toBeGreaterThan(10_000);
    const again = await course(one, 'a boat');
    expect(again.ran).not.toBe(first.ran);
    expect(await course(await start({ seed: 'b' }), 'a boat')).not.toEqual(first);
  });

  it('take a hundredth of the time at a scale of 0.01', async () => {
    const real = await course(await start({ seed: 'a' }), 'a boat');
    const quick = await course(await start({ seed: 'a', scale: 0.01 }), 'a boat');
    expect(Math.abs(quick.ran - real.ran / 100)).toBeLessThanOrEqual(1);
  });

  it('move by themselves as time goes by', async () => {
    const world = await start({ scale: 0.001 });
    const id = await world.submit('a boat');
    const seen = new Set<string>();
    let state = '';
    while (state !== 'succeeded') {
      state = (await world.poll(id)).state;
      seen.add(state);
    }
    expect([...seen].every((word) => ['queued', 'running', 'succeeded'].includes(word))).toBe(true);
  });

  it('wait for one another in a pool, and start in order as places become free', async () => {
    const world = await start({ places: 2 });
    const ids: string[] = [];
    for (const name of ['one', 'two', 'three']) ids.push(await world.submit(`${name} [hold]`));
    world.advance(10 * MINUTE);
    const states = async () => Promise.all(ids.map(async (id) => (await world.poll(id)).state));
    expect(await states()).toEqual(['running', 'running', 'queued']);
    const first = world.toy.jobs.find(ids[0] ?? '');
    if (first) world.toy.jobs.cancel(first);
    expect(await states()).toEqual(['cancelled', 'running', 'running']);
  });

  it('end as their markers say, and are billed for success alone', async () => {
    const world = await start();
    const endings = {
      '[fail]': 'failed',
      '[moderation]': 'failed',
      '[filtered]': 'failed',
      '[short]': 'succeeded',
    };
    for (const [marker, state] of Object.entries(endings)) {
      const { id } = await course(world, `a boat ${marker}`);
      expect([marker, world.toy.jobs.find(id)?.state]).toEqual([marker, state]);
      expect(world.world.ledger.job('toy', id)?.bills).toHaveLength(state === 'succeeded' ? 1 : 0);
    }
  });

  it('are held by a marker until they are finished or cancelled', async () => {
    const world = await start();
    const queued = await world.submit('a boat [queued]');
    const held = await world.submit('a boat [hold]');
    world.advance(1000 * MINUTE);
    expect((await world.poll(queued)).state).toBe('queued');
    expect((await world.poll(held)).state).toBe('running');
    for (const job of world.toy.jobs.all()) world.toy.jobs.finish(job);
    expect((await world.poll(queued)).state).toBe('succeeded');
    expect((await world.poll(held)).state).toBe('succeeded');
    expect(world.world.ledger.bills()).toBe(2);
  });

  it('are counted: submits, polls, downloads and bills, by upstream and by job', async () => {
    const world = await start();
    const { id } = await course(world, 'a boat');
    const { url } = await world.poll(id);
    await world.poll(id);
    await (await fetch(url ?? '')).arrayBuffer();
    expect(world.world.ledger.job('toy', id)).toMatchObject({
      account: 'default',
      prompt: 'a boat',
      operations: { submit: 1, poll: 2, download: 1 },
      bills: [{ quantity: 2, unit: 'seconds' }],
    });
    expect(world.world.ledger.count({ upstream: 'toy', operation: 'poll' })).toBe(2);
    expect(world.world.ledger.requests({ operation: 'download' })[0]).toMatchObject({ job: id, status: 200 });
  });
});
