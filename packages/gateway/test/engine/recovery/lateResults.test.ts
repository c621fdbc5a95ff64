import { describe, expect, it } from 'vitest';
import { START_OF_TIME } from '../../support/builders.ts';
import { createWorld, type World, type WorldOptions } from '../../support/engineWorld.ts';
import type { RecordingProvider } from '../../support/recordingProvider.ts';
import type { AnswerStep } from '../../support/servers/recordingUpstream.ts';

const DEADLINE_MS = 600_000;
const settings = { taskDeadlineMs: DEADLINE_MS };

describe('an upstream that finishes after the deadline of the task', () => {
  it('changes nothing for the caller, and is noted in the attempt', async () => {
    let over = false;
    const world = await createWorld({
      settings,
      abilities: [],
      behaviour: () => ({ answers: [over ? 'succeeded' : 'in_progress'] }),
    });
    const { id } = await world.submit();
    const failed = await world.ends(id);
    expect(failed.attempt?.outcome).toBe('expired');
    await world.advance(300_000);
    expect((await world.task(id)).attempt?.outcome).toBe('expired');
    over = true;
    await world.advance(3_600_000);
    const late = await world.task(id);
    expect(late).toMatchObject({
      phase: 'failed',
      error: { reason: 'expired' },
      attempt: { outcome: 'late' },
    });
    expect(late.attempt?.upstreamResult).toBeDefined();
    expect(await world.ledger(id)).toEqual({
      hold: failed.price.holdMicros,
      release: failed.price.holdMicros,
    });
  });

  it('is followed even if it did not know the job at the deadline', async () => {
    let told: 'missing' | 'succeeded' = 'missing';
    const world = await createWorld({ settings, abilities: [], behaviour: () => ({ answers: [told] }) });
    const { id } = await world.submit();
    expect((await world.ends(id)).attempt?.outcome).toBe('expired');
    await world.advance(7_200_000);
    expect((await world.task(id)).attempt?.outcome).toBe('expired');
    told = 'succeeded';
    await world.advance(7_200_000);
    expect(await world.task(id)).toMatchObject({ phase: 'failed', attempt: { outcome: 'late' } });
  });

  it('is followed by the next process too', async () => {
    let over = false;
    const world = await createWorld({
      settings,
      abilities: [],
      behaviour: () => ({ answers: [over ? 'succeeded' : 'in_progress'] }),
    });
    const { id } = await world.submit();
    await world.ends(id);
    const next = await world.crash({ settings, abilities: [], downMs: 60_000 });
    over = true;
    await next.advance(120_000);
    expect((await next.task(id)).attempt?.outcome).toBe('late');
  });

  it('is cancelled if it can be', async () => {
    const world = await createWorld({
      settings,
      abilities: ['cancel'],
      behaviour: () => ({ answers: ['in_progress'] }),
    });
    const { id } = await world.submit();
    await world.ends(id);
    await world.idle();
    expect(world.upstream.count('cancel', id)).toBe(1);
  });

  const FAILED: AnswerStep = { failed: 'upstream_failed', message: 'No.' };
  it.each<[string, WorldOptions['abilities'], AnswerStep]>([
    ['is known to have been cancelled', ['cancel'], 'in_progress'],
    ['is known to have failed', [], FAILED],
  ])('does not count towards the limits of its account once it %s', async (_what, abilities = [], answer) => {
    let over = false;
    const world = await createWorld({
      settings,
      abilities,
      limits: { inFlight: 1 },
      behaviour: (prompt) => ({
        answers: [prompt === 'second' ? 'succeeded' : over ? answer : 'in_progress'],
      }),
    });
    const { id } = await world.submit('first');
    await world.ends(id);
    over = true;
    const second = await world.submit('second');
    await world.advance(120_000);
    expect((await world.task(second.id)).phase).toBe('succeeded');
    expect(await world.task(id)).toMatchObject({ phase: 'failed', attempt: { outcome: 'expired' } });
  });

  it('keeps its place of the account for half an hour if its end is not known', async () => {
    const world = await createWorld({
      settings,
      abilities: [],
      limits: { inFlight: 1 },
      behaviour: () => ({ answers: ['in_progress'] }),
    });
    await world.ends((await world.submit()).id);
    expect(world.engine.accounts()).toMatchObject([{ placesUsed: 1 }]);
    await world.advance(30 * 60_000);
    expect(world.engine.accounts()).toMatchObject([{ placesUsed: 0 }]);
  });

  it('is polled at growing intervals, for two days at most', async () => {
    const world = await createWorld({
      settings,
      abilities: [],
      behaviour: () => ({ answers: ['in_progress'] }),
    });
    const { id } = await world.submit();
    await world.ends(id);
    const before = world.upstream.count('poll', id);
    await world.advance(72 * 3_600_000);
    const asked = world.upstream.count('poll', id) - before;
    expect(asked).toBeGreaterThan(40);
    expect(asked).toBeLessThan(60);
    await world.advance(24 * 3_600_000);
    expect(world.upstream.count('poll', id) - before).toBe(asked);
  });

  describe('is followed within bounds:', () => {
    const HOUR = 3_600_000;
    /** A world with an expired task whose job continues, and the times of its later polls. */
    async function expired(options: WorldOptions = {}) {
      const asked: number[] = [];
      const calls: [number, number][] = [];
      const world: World = await createWorld({
        settings,
        abilities: [],
        behaviour: () => ({ answers: ['in_progress'] }),
        ...options,
        provider: (provider, account) => {
          const own = options.provider?.(provider as RecordingProvider, account) ?? provider;
          return {
            ...own,
            poll(handle, signal) {
              asked.push(world.timers.trueTime());
              return own.poll(handle, signal);
            },
          };
        },
        parts: ({ store }) => ({
          store: {
            ...store,
            expiredSince(since, limit) {
              calls.push([since, limit]);
              return store.expiredSince(since, limit);
            },
          },
        }),
      });
      const { id } = await world.submit();
      const task = await world.ends(id);
      await world.idle();
      asked.splice(0);
      const since = task.completedAt ?? 0;
      return { world, id, calls, since, waits: () => asked.map((at, n) => at - (asked[n - 1] ?? since)) };
    }

    it('polled after a minute, and then at doubling intervals, up to an hour', async () => {
      const { world, waits } = await expired();
      await world.advance(4 * HOUR);
      const minutes = [1, 2, 4, 8, 16, 32, 60, 60];
      expect(waits()).toEqual(minutes.map((wait) => wait * 60_000));
    });

    it('polled again after missing answers', async () => {
      let answer: AnswerStep = 'in_progress';
      const { world, id, waits } = await expired({ behaviour: () => ({ answers: [answer] }) });
      answer = { error: 'upstream_unavailable' };
      await world.advance(HOUR / 2);
      answer = 'succeeded';
      await world.advance(HOUR);
      expect(waits()).toEqual([1, 2, 4, 8, 16].map((wait) => wait * 60_000));
      expect((await world.task(id)).attempt?.outcome).toBe('late');
    });

    it('not polled once it has failed or finished', async () => {
      let over: 'failed' | 'succeeded' | undefined;
      for (const end of ['failed', 'succeeded'] as const) {
        over = undefined;
        const { world, waits } = await expired({
          behaviour: () => ({
            answers: [
              over === undefined
                ? 'in_progress'
                : over === 'failed'
                  ? { failed: 'upstream_failed', message: 'No.' }
                  : 'succeeded',
            ],
          }),
        });
        over = end;
        await world.advance(12 * HOUR);
        expect(waits()).toEqual([60_000]);
      }
    });

    it('not polled once the gateway stops', async () => {
      const { world, waits } = await expired();
      await world.advance(60_000);
      await world.engine.drain(1000);
      await world.advance(12 * HOUR);
      expect(waits()).toEqual([60_000]);
    });

    it('found among those of the last two days, a thousand at most', async () => {
      const { calls } = await expired();
      expect(calls).toEqual([[START_OF_TIME - 48 * HOUR, 1000]]);
    });

    it('polled for the rest of its two days by the next process, and not longer if the clock was set back', async () => {
      const { world } = await expired();
      const follow = async (downMs: number) => {
        const next = await world.crash({ settings, abilities: [], downMs });
        const before = next.upstream.count('poll');
        await next.advance(60 * HOUR);
        return next.upstream.count('poll') - before;
      };
      // After 47 hours there is time for one and two, four, eight, sixteen minutes.
      expect(await follow(47 * HOUR)).toBe(5);
    });

    it('cancelled if possible, and an error of that is ignored', async () => {
      const { world, id, waits } = await expired({
        abilities: ['cancel'],
        behaviour: () => ({ answers: ['in_progress'], cancel: [{ error: 'upstream_unavailable' }] }),
      });
      expect(world.upstream.count('cancel', id)).toBe(1);
      await world.advance(60_000);
      expect(waits()).toEqual([60_000]);
    });
  });
});
