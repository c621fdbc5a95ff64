import { describe, expect, it } from 'vitest';
import type { UpstreamTimes } from '../../../src/providers/provider.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { START_OF_TIME } from '../../support/builders.ts';
import { fixedInterval } from '../../support/engineParts.ts';
import { createWorld } from '../../support/engineWorld.ts';
import type { AnswerStep } from '../../support/servers/recordingUpstream.ts';

const AHEAD_MS = 300_000;
const STARTED = START_OF_TIME + 3_000;
const ENDED = START_OF_TIME + 9_000;

/** The times of a task that the upstream began after three seconds and ended after nine. It is polled later. */
async function timesOf(
  answers: readonly AnswerStep[],
  { aheadMs = 0, clock = 'readable' }: { aheadMs?: number; clock?: 'readable' | 'unknown' | 'ours' } = {},
  told: UpstreamTimes = { startedAt: STARTED, endedAt: ENDED },
) {
  const times = Object.fromEntries(Object.entries(told).map(([name, time]) => [name, time + aheadMs]));
  const world = await createWorld({
    behaviour: () => ({ answers, times }),
    parts: () => ({ tracker: fixedInterval(25_000) }),
    provider: (provider) => ({
      ...provider,
      ...(clock === 'ours'
        ? {}
        : {
            upstreamTime: async () => (clock === 'unknown' ? undefined : world.timers.now() + aheadMs),
          }),
    }),
  });
  const { attempt, startedAt, completedAt = 0 }: Task = await world.ends((await world.submit()).id);
  return { startedAt, endedAt: attempt?.endedAt, completedAt };
}

const failed = { failed: 'upstream_failed', message: 'No.' } as const;

describe('the times of a task', () => {
  it.each([
    ['in step with this one', 0],
    ['ahead', AHEAD_MS],
    ['behind', -AHEAD_MS],
  ])("are the upstream's own, by this gateway's clock, if the other clock is %s", async (_how, aheadMs) => {
    const { completedAt, ...times } = await timesOf(['in_progress', 'succeeded'], { aheadMs });
    expect(times).toEqual({ startedAt: STARTED, endedAt: ENDED });
    expect(completedAt).toBeGreaterThan(ENDED);
  });

  it.each([
    ['succeeded', 'succeeded'],
    ['failed', failed],
  ] as const)('are known if the first answer is already that it %s', async (_how, answer) => {
    const times = await timesOf([answer], { aheadMs: AHEAD_MS });
    expect(times).toMatchObject({ startedAt: STARTED, endedAt: ENDED });
  });

  it('are those of the job if the upstream is part of this gateway', async () => {
    const times = await timesOf(['in_progress', failed], { clock: 'ours' });
    expect(times).toMatchObject({ startedAt: STARTED, endedAt: ENDED });
  });

  it("are those at which the answers came if the upstream's clock is not known", async () => {
    const { startedAt, endedAt, completedAt } = await timesOf(['in_progress', 'succeeded'], {
      clock: 'unknown',
    });
    expect(startedAt).toBeGreaterThan(ENDED);
    expect(endedAt).toBe(completedAt);
  });

  it('are a start when the answer came and an end that the upstream told, if it tells no more', async () => {
    const { startedAt, endedAt } = await timesOf(
      ['in_progress', 'succeeded'],
      {},
      { endedAt: START_OF_TIME + 40_000 },
    );
    expect(startedAt).toBeGreaterThan(START_OF_TIME);
    expect(startedAt).toBeLessThan(START_OF_TIME + 40_000);
    expect(endedAt).toBe(START_OF_TIME + 40_000);
  });
});
