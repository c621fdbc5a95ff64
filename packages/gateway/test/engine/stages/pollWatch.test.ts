import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type AccountPolls, createPollWatch } from '../../../src/engine/stages/pollWatch.ts';
import { SendRefused, UpstreamError } from '../../../src/providers/provider.ts';
import { LONG_AGO, later, momentAt } from '../../../src/time/clock.ts';
import { createWorld } from '../../support/engineWorld.ts';
import { createManualTimers } from '../../support/manualTimers.ts';

const MINUTE = 60_000;

/** A world with a running task whose polls end as the test says. */
async function asking(outcome: () => Error | undefined) {
  const world = await createWorld({
    behaviour: () => ({ answers: ['in_progress'] }),
    settings: { taskDeadlineMs: 24 * 60 * MINUTE },
    provider: ({ pollMany: _, ...provider }) => ({
      ...provider,
      async poll(handle, signal) {
        const error = outcome();
        if (error) throw error;
        return provider.poll(handle, signal);
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
  function watching(duesMs: readonly number[] = []) {
    const timers = createManualTimers();
    const lines: unknown[] = [];
    let look = () => {};
    let dueSince = timers.monotonic();
    const more = duesMs.map((ms, n) => ({ account: `account ${n}`, dueSince: momentAt(ms) }));
    const watch = createPollWatch({
      clock: timers,
      polls: () =>
        (more.length > 0 ? more : [{ account: 'one', dueSince }]).map((polls) => ({
          ...polls,
          returnedAt: LONG_AGO,
          inFlightSince: undefined,
          pausedUntil: LONG_AGO,
        })),
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

  it.each<[string, Partial<AccountPolls>, number]>([
    ['is due', {}, 5 * MINUTE],
    ['is not', { dueSince: undefined }, 0],
    ['was answered since', { returnedAt: momentAt(MINUTE) }, 4 * MINUTE],
    ['has been on its way since, for as long as it may be', { inFlightSince: momentAt(MINUTE) }, 3 * MINUTE],
    ['has been on its way all the time', { inFlightSince: momentAt(0) }, 4 * MINUTE],
    ['is on its way', { inFlightSince: momentAt(5 * MINUTE - 1) }, 0],
    ['is not to be sent yet', { pausedUntil: momentAt(2 * MINUTE) }, 3 * MINUTE],
    ['is not to be sent for a while', { pausedUntil: momentAt(9 * MINUTE) }, 0],
  ])('counts from when a poll could have been sent: it %s', (_what, polls, ms) => {
    const timers = createManualTimers();
    const usual: AccountPolls = {
      account: 'one',
      dueSince: momentAt(0),
      returnedAt: LONG_AGO,
      inFlightSince: undefined,
      pausedUntil: LONG_AGO,
    };
    let look = () => {};
    const watch = createPollWatch({
      clock: timers,
      polls: () => [
        { ...usual, dueSince: undefined },
        { ...usual, ...polls },
        { ...usual, dueSince: undefined },
      ],
      callTimeoutMs: MINUTE,
      log: { error: () => undefined, info: () => undefined },
      every(everyMs, work) {
        expect(everyMs).toBe(10_000);
        look = work;
        return () => undefined;
      },
    });
    for (let passed = 0; passed < 5 * MINUTE; passed += 10_000) {
      timers.moveTo(timers.trueTime() + 10_000);
      look();
    }
    expect(watch.stalledMs()).toBe(ms);
    expect(watch.stalled).toBe(ms >= 2 * MINUTE);
  });

  it('names the account that has waited longest', () => {
    const { lines, pass } = watching([30_000, 0, 60_000]);
    pass(2 * MINUTE - 10_000);
    expect(lines).toEqual([]);
    pass(10_000);
    expect(lines).toMatchObject([{ event: 'poll.stalled', account: 'account 1', seconds: 120 }]);
    pass(5 * MINUTE);
    expect(lines).toHaveLength(1);
  });

  it('checks by itself, until it is stopped', () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    let looks = 0;
    const watch = createPollWatch({
      clock: createManualTimers(),
      polls: () => {
        looks += 1;
        return [];
      },
      callTimeoutMs: MINUTE,
      log: { error: () => undefined, info: () => undefined },
    });
    vi.advanceTimersByTime(MINUTE);
    expect(looks).toBe(6);
    watch.stop();
    vi.advanceTimersByTime(MINUTE);
    expect(looks).toBe(6);
  });
});
