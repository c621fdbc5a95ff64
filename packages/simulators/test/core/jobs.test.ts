import { afterEach, describe, expect, it } from 'vitest';
import { createClock } from '../../src/core/clock.ts';
import { createJobs } from '../../src/core/jobs/jobs.ts';
import { createSchedule } from '../../src/core/jobs/schedule.ts';
import { type RunningToy, startToy } from '../support/runningToy.ts';

const MINUTE = 60_000;
const started: RunningToy[] = [];

async function start(options: Parameters<typeof startToy>[0] = {}): Promise<RunningToy> {
  const running = await startToy(options);
  started.push(running);
  return running;
}

afterEach(() => Promise.all(started.splice(0).map((running) => running.close())));

/** When each state was reached, counted from the creation. */
async function course(
  running: RunningToy,
  prompt: string,
): Promise<{ id: string; waited: number; ran: number }> {
  const id = await running.submit(prompt);
  running.advance(60 * MINUTE);
  const job = running.toy.jobs.find(id);
  const { createdAt = 0, startedAt = 0, endedAt = 0 } = job ?? {};
  return { id, waited: Math.round(startedAt - createdAt), ran: Math.round(endedAt - startedAt) };
}

describe('jobs', () => {
  it('take the same time and get the same id with the same seed, whatever other jobs there are', async () => {
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

  it('take the times of the log-normal distribution of their model, of which a part is the queue', () => {
    const clock = createClock(1);
    const schedule = createSchedule(clock);
    const jobs = createJobs<null>({
      upstream: 'toy',
      seed: 'a',
      clock,
      schedule,
      endings: {},
      givenId: () => undefined,
      paceOf: () => ({ medianMs: 100_000, p90Ms: 250_000, queueShare: 0.1 }),
      onChange: () => undefined,
    });
    const video = { width: 320, height: 180, seconds: 2, audio: false };
    const request = { account: 'a', model: 'm', prompt: 'a boat', video, details: null };
    const made = Array.from({ length: 4000 }, () =>
      jobs.submit({ ...request, newId: (random) => random.uuid() }),
    );
    clock.advance(1000 * MINUTE);
    schedule.settle();
    const times = made.map((job) => (job.endedAt ?? 0) - job.createdAt).toSorted((a, b) => a - b);
    const quantile = (part: number) => times[Math.floor(part * times.length)] ?? 0;
    // Within about three standard errors of 4000 samples.
    expect(quantile(0.5) / 100_000).toBeCloseTo(1, 1);
    expect(quantile(0.9) / 250_000).toBeCloseTo(1, 1);
    expect(quantile(0.1) / 40_000).toBeCloseTo(1, 1);
    const waited = made.reduce((sum, job) => sum + (job.startedAt ?? 0) - job.createdAt, 0);
    expect(waited / times.reduce((sum, time) => sum + time)).toBeCloseTo(0.1, 2);
    schedule.close();
  });

  it('take a hundredth of the time at a scale of 0.01', async () => {
    const real = await course(await start({ seed: 'a' }), 'a boat');
    const quick = await course(await start({ seed: 'a', scale: 0.01 }), 'a boat');
    expect(Math.abs(quick.ran - real.ran / 100)).toBeLessThanOrEqual(1);
  });

  it('take the times of a given pace, in place of those of their model', async () => {
    const pace = { medianMs: 5000, p90Ms: 5000, queueShare: 0 };
    expect(await course(await start({ pace }), 'a boat')).toMatchObject({ waited: 0, ran: 5000 });
  });

  it('change state by themselves as time passes', async () => {
    const running = await start({ scale: 0.001 });
    const id = await running.submit('a boat');
    const seen = new Set<string>();
    let state = '';
    while (state !== 'succeeded') {
      state = (await running.poll(id)).state;
      seen.add(state);
    }
    expect([...seen].every((word) => ['queued', 'running', 'succeeded'].includes(word))).toBe(true);
  });

  it('wait for one another in a pool, and start in order as places become free', async () => {
    const running = await start({ places: 2 });
    const ids: string[] = [];
    for (const name of ['one', 'two', 'three']) {
      ids.push(await running.submit(`${name} [hold]`));
      running.advance(10 * MINUTE);
    }
    const states = async () => Promise.all(ids.map(async (id) => (await running.poll(id)).state));
    expect(await states()).toEqual(['running', 'running', 'queued']);
    const first = running.toy.jobs.find(ids[0] ?? '');
    if (first) running.toy.jobs.cancel(first);
    expect(await states()).toEqual(['cancelled', 'running', 'running']);
  });

  it('end as their markers say, and only successes are billed', async () => {
    const running = await start();
    const endings = {
      '[fail]': 'failed',
      '[moderation]': 'failed',
      '[filtered]': 'failed',
      '[short]': 'succeeded',
    };
    for (const [marker, state] of Object.entries(endings)) {
      const { id } = await course(running, `a boat ${marker}`);
      expect([marker, running.toy.jobs.find(id)?.state]).toEqual([marker, state]);
      expect(running.shared.ledger.job('toy', id)?.bills).toHaveLength(state === 'succeeded' ? 1 : 0);
    }
  });

  it('are held by a marker until they are finished or cancelled', async () => {
    const running = await start();
    const queued = await running.submit('a boat [queued]');
    const held = await running.submit('a boat [hold]');
    running.advance(1000 * MINUTE);
    expect((await running.poll(queued)).state).toBe('queued');
    expect((await running.poll(held)).state).toBe('running');
    for (const job of running.toy.jobs.all()) running.toy.jobs.finish(job);
    expect((await running.poll(queued)).state).toBe('succeeded');
    expect((await running.poll(held)).state).toBe('succeeded');
    expect(running.shared.ledger.bills()).toBe(2);
  });

  it('are counted: submits, polls, downloads and bills, by upstream and by job', async () => {
    const running = await start();
    const { id } = await course(running, 'a boat');
    const { url } = await running.poll(id);
    await running.poll(id);
    await (await fetch(url ?? '')).arrayBuffer();
    expect(running.shared.ledger.job('toy', id)).toMatchObject({
      account: 'default',
      prompt: 'a boat',
      operations: { submit: 1, poll: 2, download: 1 },
      bills: [{ quantity: 2, unit: 'seconds' }],
    });
    expect(running.shared.ledger.count({ upstream: 'toy', operation: 'poll' })).toBe(2);
    expect(running.shared.ledger.requests({ operation: 'download' })[0]).toMatchObject({
      job: id,
      status: 200,
    });
  });
});
