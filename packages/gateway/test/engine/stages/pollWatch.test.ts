import { describe, expect, it, onTestFinished } from 'vitest';
import { createPollWatch } from '../../../src/engine/stages/pollWatch.ts';
import { SendRefused, UpstreamError } from '../../../src/providers/provider.ts';
import { LONG_AGO, later } from '../../../src/time/clock.ts';
import { createWorld } from '../../support/engineWorld.ts';
import { createManualTimers } from '../../support/manualTimers.ts';

const MINUTE = 60_000;

/** A world with a running task whose polls end as the test says. */
async function asking(outcome: () => Error | undefined) {
  const world = await createWorld({
    behaviour: () => ({ answers: ['in_progress'] }),
    settings: { taskDeadlineMs: 24 * 60 * MINUTE },
    provider: ({ askMany: _, ...provider }) => ({
      ...provider,
      async ask(handle, signal) {
        const error = outcome();
        if (error) throw error;
        return provider.ask(handle, signal);
      },
    }),
  });
  const { id } = await world.submit();
  await world.reaches(id, 'running');
  /** Advances in small steps, with a check after each, as in a running process. */
  const advance = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 10_000) {
      await world.advance(10_000);
      world.engine.pollWatch.stalledMs();
    }
  };
  return { world, advance };
}

describe('a node whose polls', () => {
  it.each([
    ['are refused by the lease guard', () => new SendRefused()],
    ['meet a defect of an adapter', () => new TypeError('x is not a function')],
    [
      'find no descriptor left',
      () =>
        new UpstreamError('upstream_unavailable', {
          cause: Object.assign(new Error('connect EMFILE'), { code: 'EMFILE' }),
        }),
    ],
  ])('%s reports after two minutes that it cannot poll, until it can again', async (_name, error) => {
    let failing = false;
    const { world, advance } = await asking(() => (failing ? error() : undefined));
    await advance(5 * MINUTE);
    expect(world.engine.pollWatch.stalledMs()).toBe(0);
    failing = true;
    await advance(MINUTE);
    expect(world.engine.pollWatch.stalled).toBe(false);
    await advance(4 * MINUTE);
    expect(world.engine.pollWatch.stalled).toBe(true);
    expect(world.engine.pollWatch.stalledMs()).toBeGreaterThan(2 * MINUTE);
    failing = false;
    await advance(2 * MINUTE);
    expect(world.engine.pollWatch).toMatchObject({ stalled: false });
    expect(world.engine.pollWatch.stalledMs()).toBe(0);
  });

  it.each([
    ['fail at an upstream that is down', 'upstream_unavailable'],
    ['are limited by the upstream', 'rate_limited'],
    ['get no answer in time', 'upstream_timeout'],
  ] as const)('%s is ready nevertheless', async (_name, reason) => {
    const { world, advance } = await asking(
      () => new UpstreamError(reason, reason === 'rate_limited' ? { retryAfterMs: 5 * MINUTE } : {}),
    );
    await advance(20 * MINUTE);
    expect(world.engine.pollWatch.stalled).toBe(false);
  });
});

describe('the watch over polls', () => {
  function watching() {
    const timers = createManualTimers();
    const lines: unknown[] = [];
    let look = () => {};
    let dueSince = timers.monotonic();
    const watch = createPollWatch({
      clock: timers,
      polls: () => [
        { account: 'one', dueSince, settledAt: LONG_AGO, inFlightSince: undefined, pausedUntil: LONG_AGO },
      ],
      callTimeoutMs: MINUTE,
      log: { error: (line: unknown) => lines.push(line), info: (line: unknown) => lines.push(line) },
      every(_ms, work) {
        look = work;
        return () => undefined;
      },
    });
    onTestFinished(() => watch.stop());
    const pass = (ms: number, stepMs = 10_000) => {
      for (let passed = 0; passed < ms; passed += stepMs) {
        timers.moveTo(timers.trueTime() + stepMs);
        look();
      }
    };
    const asked = () => {
      dueSince = later(timers.monotonic(), 30_000);
    };
    return { watch, lines, pass, asked };
  }

  it('notices timers that stand still, and logs once when it begins and when it ends', () => {
    const { watch, lines, pass, asked } = watching();
    pass(5 * MINUTE);
    expect(watch.stalled).toBe(true);
    expect(lines).toMatchObject([{ event: 'poll.stalled', account: 'one' }]);
    asked();
    pass(MINUTE);
    expect(lines).toMatchObject([{ event: 'poll.stalled' }, { event: 'poll.resumed' }]);
  });

  it('does not count the time in which the whole process was stopped', () => {
    const { watch, lines, pass } = watching();
    pass(60 * MINUTE, 60 * MINUTE);
    expect(watch.stalled).toBe(false);
    expect(lines).toEqual([]);
    pass(5 * MINUTE);
    expect(watch.stalled).toBe(true);
  });
});
