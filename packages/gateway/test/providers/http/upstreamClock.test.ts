import type { Dispatcher } from 'undici';
import { expect, it } from 'vitest';
import { createUpstreamClock } from '../../../src/providers/http/upstreamClock.ts';
import { SendRefused } from '../../../src/providers/provider.ts';
import { START_OF_TIME } from '../../support/builders.ts';
import { createManualTimers } from '../../support/manualTimers.ts';

const ORIGIN = 'https://upstream.example';
/** Five minutes ahead of this node, in whole seconds. */
const THERE = Math.floor(START_OF_TIME / 1000) * 1000 + 300_000;
const MINUTE = 60_000;
const DAY_MS = 24 * 3_600_000;

/** A clock whose upstream answers a request with what `answer` returns as its `Date`. A throw is a lost answer. */
function clockOf(answer: () => string | undefined) {
  const timers = createManualTimers();
  const asked: number[] = [];
  const ask = async () => {
    asked.push(timers.trueTime() - START_OF_TIME);
    answered(answer());
  };
  const clock = createUpstreamClock(ORIGIN, ask, timers);

  /** An answer of the upstream, or of another origin, passes through the client. */
  function answered(date: string | undefined, { origin = ORIGIN, headers = {} } = {}) {
    const dispatch = clock.listen((_options, handler) => {
      handler.onResponseStart?.({} as Dispatcher.DispatchController, 200, {
        ...(date === undefined ? {} : { date }),
        ...headers,
      });
      return true;
    });
    dispatch({ origin, path: '/', method: 'GET' }, {});
  }

  return { clock, asked, answered, pass: (ms: number) => timers.moveTo(timers.trueTime() + ms) };
}

it('asks the upstream once for all callers if no answer has shown its time', async () => {
  const { clock, asked } = clockOf(() => new Date(THERE).toUTCString());
  expect(await Promise.all([clock.now(), clock.now(), clock.now()])).toEqual([THERE, THERE, THERE]);
  expect(asked).toEqual([0]);
});

it('does not ask if an answer has shown the time, and continues from it', async () => {
  const { clock, asked, answered, pass } = clockOf(() => undefined);
  answered(new Date(THERE).toUTCString());
  pass(1_500);
  expect(await clock.now()).toBe(THERE + 1_500);
  expect(asked).toEqual([]);
});

it('asks again after a day without an answer', async () => {
  const { clock, asked, answered, pass } = clockOf(() => new Date(THERE + DAY_MS + MINUTE).toUTCString());
  answered(new Date(THERE).toUTCString());
  pass(DAY_MS);
  expect(await clock.now()).toBe(THERE + DAY_MS);
  pass(1);
  expect(await clock.now()).toBe(THERE + DAY_MS + MINUTE);
  expect(asked).toEqual([DAY_MS + 1]);
});

it('does not know the time if the upstream answers without it, and asks again after a minute', async () => {
  const { clock, asked, pass } = clockOf(() =>
    asked.length < 3 ? undefined : new Date(THERE).toUTCString(),
  );
  expect(await clock.now()).toBeUndefined();
  pass(MINUTE - 1);
  expect(await clock.now()).toBeUndefined();
  pass(1);
  expect(await clock.now()).toBeUndefined();
  pass(MINUTE);
  expect(await clock.now()).toBe(THERE);
  expect(asked).toEqual([0, MINUTE, 2 * MINUTE]);
});

it.each([
  ['the upstream did not answer', () => new Error('no answer')],
  ['the lease guard did not let the question out', () => new SendRefused()],
])('fails if %s, and asks again at once', async (_why, error) => {
  const { clock, asked } = clockOf(() => {
    if (asked.length === 1) throw error();
    return new Date(THERE).toUTCString();
  });
  const both = await Promise.allSettled([clock.now(), clock.now()]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await clock.now()).toBe(THERE);
  expect(asked).toEqual([0, 0]);
});

it('takes an error of the upstream for an answer', async () => {
  const { clock, asked, answered } = clockOf(() => {
    answered(undefined);
    throw new Error('503');
  });
  expect(await clock.now()).toBeUndefined();
  expect(await clock.now()).toBeUndefined();
  expect(asked).toEqual([0]);
});

it.each([
  ['a quarter of an hour ahead', 15 * MINUTE, true],
  ['a quarter of an hour behind', -15 * MINUTE, true],
  ['more than that ahead', 15 * MINUTE + 1000, false],
  ['more than that behind', -15 * MINUTE - 1000, false],
])(
  'believes a time that is %s of this node only within what clocks may differ',
  async (_how, byMs, isBelieved) => {
    const time = Math.floor(START_OF_TIME / 1000) * 1000 + byMs;
    const { clock } = clockOf(() => new Date(time).toUTCString());
    expect(await clock.now()).toBe(isBelieved ? time : undefined);
  },
);

it('ignores answers from a cache', async () => {
  const { clock, asked, answered } = clockOf(() => undefined);
  answered(new Date(THERE).toUTCString(), { headers: { age: '3600' } });
  expect(await clock.now()).toBeUndefined();
  expect(asked).toEqual([0]);
});

it('ignores other origins and unreadable dates', async () => {
  const { clock, asked, answered } = clockOf(() => undefined);
  answered(new Date(THERE).toUTCString(), { origin: 'https://elsewhere.example' });
  answered('yesterday');
  expect(await clock.now()).toBeUndefined();
  expect(asked).toEqual([0]);
});
