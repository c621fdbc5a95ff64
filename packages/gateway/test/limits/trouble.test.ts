import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createReports, troubleAtStart } from '../../src/limits/trouble.ts';
import type { AccountTrouble } from '../../src/store/store.ts';
import { createManualTimers } from '../support/manualTimers.ts';

const TROUBLE = { failures: 1, waitMs: 9000, reason: 'rate_limited' };

/** Reports to a store that answers when the test says. */
function reporting() {
  const timers = createManualTimers();
  const stored: [string, AccountTrouble][] = [];
  let answers: PromiseWithResolvers<void>[] = [];
  const reports = createReports({
    store: {
      reportTrouble(account, trouble) {
        stored.push([account, trouble]);
        const answer = Promise.withResolvers<void>();
        answers.push(answer);
        return answer.promise;
      },
    },
    timers,
    log: pino({ level: 'silent' }),
  });
  const settle = async () => {
    for (let turns = 0; turns < 3; turns++) await turn();
  };
  return {
    reports,
    timers,
    stored,
    async answer(fails = false) {
      for (const { resolve, reject } of answers.splice(0)) fails ? reject(new Error('down')) : resolve();
      answers = [];
      await settle();
    },
    async pass(ms: number) {
      timers.moveTo(timers.now() + ms);
      await settle();
    },
  };
}

it('a report is stored, and what was read before that is out of date', async () => {
  const { reports, timers, stored, answer, pass } = reporting();
  const before = timers.monotonic();
  reports.add('one', TROUBLE);
  expect(stored).toEqual([['one', TROUBLE]]);
  expect([reports.isNewerThan('one', timers.monotonic()), reports.isNewerThan('two', before)]).toEqual([
    true,
    false,
  ]);
  await pass(10);
  await answer();
  expect([reports.isNewerThan('one', before), reports.isNewerThan('one', timers.monotonic())]).toEqual([
    true,
    false,
  ]);
});

it('a report that fails is repeated, with what is left of its wait', async () => {
  const { reports, stored, answer, pass } = reporting();
  reports.add('one', TROUBLE);
  await answer(true);
  expect(stored).toHaveLength(1);
  await pass(500);
  expect(stored[1]).toEqual(['one', { ...TROUBLE, waitMs: 8500 }]);
  await answer(true);
  // Newer news replaces it.
  reports.add('one', { failures: 0, waitMs: 0 });
  await pass(500);
  expect(stored[2]).toEqual(['one', { failures: 0, waitMs: 0 }]);
  await answer();
  await pass(5000);
  expect(stored).toHaveLength(3);
});

it('news that comes while a report is stored follows it', async () => {
  const { reports, stored, answer } = reporting();
  reports.add('one', TROUBLE);
  reports.add('one', { ...TROUBLE, failures: 2 });
  reports.add('two', TROUBLE);
  expect(stored.map(([account]) => account)).toEqual(['one', 'two']);
  await answer();
  expect(stored[2]).toEqual(['one', { ...TROUBLE, failures: 2 }]);
});

it('stopping waits for the report that is being stored, and gives up the others', async () => {
  const { reports, stored, answer, pass } = reporting();
  reports.add('one', TROUBLE);
  let stopped = false;
  const stopping = reports.stop().then(() => {
    stopped = true;
  });
  await pass(1);
  expect(stopped).toBe(false);
  await answer(true);
  await stopping;
  reports.add('one', TROUBLE);
  await pass(5000);
  expect(stored).toHaveLength(1);
});

it.each([
  ['a person may have fixed in the meantime', 'auth_failed', 0],
  ['ends by itself', 'rate_limited', 9000],
  ['has no reason of ours', 'gone_fishing', 9000],
  ['has no reason', undefined, 9000],
])(
  'trouble from before the start that %s delays the first task for the right time',
  (_what, reason, waitMs) => {
    expect(troubleAtStart({ failures: 3, waitMs: 9000, reason })).toEqual({ failures: 3, waitMs, reason });
  },
);
