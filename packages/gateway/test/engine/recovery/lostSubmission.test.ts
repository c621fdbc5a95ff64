import { describe, expect, it } from 'vitest';
import type { UnknownSubmission } from '../../../src/providers/provider.ts';
import { createWorld, type WorldOptions } from '../../support/engineWorld.ts';
import { eventually } from '../../support/eventually.ts';

describe('the search for a lost submission', () => {
  async function looking() {
    const asked: UnknownSubmission[] = [];
    const world = await createWorld({
      behaviour: () => ({ start: ['answer_lost'], find: ['unknown', 'look'] }),
      provider: (provider) => ({
        ...provider,
        upstreamTime: async () => 12_345.6,
        find(lost, signal) {
          asked.push(lost);
          return provider.find?.(lost, signal) ?? Promise.reject(new Error('cannot'));
        },
      }),
      parts: () => ({ upstreamRequest: ({ request }) => ({ ...request, duration: 5 }) }),
    });
    const { id } = await world.submit();
    await world.idle();
    const [lost] = asked;
    if (!lost) throw new Error('nobody looked');
    return { world, id, lost, asked };
  }

  it('uses the request and the clocks of both sides', async () => {
    const { world, id, lost } = await looking();
    const { attempt } = await world.task(id);
    expect(lost).toMatchObject({
      taskId: id,
      idempotencyKey: attempt?.idempotencyKey,
      upstreamModel: 'upstream-model',
      intendedAt: attempt?.intendedAt,
      intendedThereAt: 12_345,
      request: { duration: 5 },
    });
    expect(await lost.isKnown('one-1')).toBe(false);
    await world.ends(id);
    expect(await lost.isKnown('one-1')).toBe(true);
  });

  it('uses the age of the submission: the longer one by both clocks, and at least the elapsed time', async () => {
    const { world, lost } = await looking();
    expect([lost.sinceIntent?.(), lost.sinceGivenUp()]).toEqual([0, 0]);
    await world.advance(1500);
    expect([lost.sinceIntent?.(), lost.sinceGivenUp()]).toEqual([1500, 1500]);
    world.timers.setWallClock(-3_600_000);
    expect([lost.sinceIntent?.(), lost.sinceGivenUp()]).toEqual([1500, 1500]);
    world.timers.setWallClock(7_200_000);
    expect([lost.sinceIntent?.(), lost.sinceGivenUp()]).toEqual([3_601_500, 1500]);
  });

  it('has the jobs that were made in the same way, also by another process, unless the way has changed', async () => {
    const asked: UnknownSubmission[] = [];
    const versioned =
      (findVersion: string): NonNullable<WorldOptions['provider']> =>
      (provider) => ({
        ...provider,
        findVersion,
        find: async (lost) => {
          asked.push(lost);
          return { found: false, certainty: 'unknown' };
        },
      });
    const behaviour: WorldOptions['behaviour'] = (prompt) =>
      prompt === 'lost' ? { start: ['answer_lost'] } : {};
    const world = await createWorld({ behaviour, provider: versioned('v1') });
    const { id: made } = await world.submit('made');
    await world.ends(made);
    await world.submit('lost');
    await world.idle();
    const job = (await world.task(made)).attempt;
    const expected = [
      expect.objectContaining({
        upstreamId: job?.upstreamId,
        idempotencyKey: job?.idempotencyKey,
        request: expect.objectContaining({ prompt: 'made' }),
      }),
    ];
    expect(await asked.at(-1)?.earlier?.()).toEqual(expected);
    const next = await world.crash({ provider: versioned('v1') });
    await next.idle();
    expect(await asked.at(-1)?.earlier?.()).toEqual(expected);
    const changed = await next.crash({ provider: versioned('v2') });
    await changed.idle();
    expect(asked.at(-1)).not.toHaveProperty('earlier');
  });

  it('does not use the age of a submission that another process made', async () => {
    const { world, asked } = await looking();
    const next = await world.crash({
      provider: (provider) => ({
        ...provider,
        find(lost, signal) {
          asked.push(lost);
          return provider.find?.(lost, signal) ?? Promise.reject(new Error('cannot'));
        },
      }),
    });
    await next.idle();
    expect(asked).toHaveLength(2);
    expect(asked[1]?.sinceIntent).toBeUndefined();
    expect(asked[1]?.intendedThereAt).toBe(12_345);
  });
});

describe('an upstream that does not respond', () => {
  it('is given up after the call timeout, for a submission and for a search', async () => {
    const world = await createWorld({ settings: { callTimeoutMs: 30 } });
    world.provider.hold('submit');
    const finds = world.provider.hold('find');
    let looks = 0;
    const { find } = world.provider;
    world.provider.find = (...given) => {
      looks += 1;
      return find?.(...given) ?? Promise.reject(new Error('cannot'));
    };
    const { id } = await world.submit();
    await eventually(async () => {
      await world.advance(2000);
      expect(looks).toBeGreaterThan(1);
    });
    finds.release();
    await eventually(async () => {
      await world.advance(2000);
      expect((await world.task(id)).attempt?.number).toBeGreaterThan(1);
    });
  });
});

describe('a task whose lost submission may be repeated', () => {
  it('is submitted as often as the settings allow, also over restarts', async () => {
    const options: WorldOptions = {
      behaviour: () => ({ start: ['answer_lost'] }),
      abilities: [],
      settings: { resubmitUnknown: true, maxAttempts: 3 },
    };
    const world = await createWorld(options);
    const { id } = await world.submit();
    await world.idle();
    expect(world.upstream.count('submit')).toBe(1);
    const next = await world.crash();
    const task = await next.ends(id);
    expect(task).toMatchObject({ phase: 'failed', attempt: { number: 3 } });
    expect(next.upstream.count('submit')).toBe(3);
  });
});
