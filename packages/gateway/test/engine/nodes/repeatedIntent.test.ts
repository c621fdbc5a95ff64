import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { createActiveTasks } from '../../../src/engine/activeTasks.ts';
import { createFeed } from '../../../src/engine/events/feed.ts';
import { newId } from '../../../src/tasks/ids.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { createTimers } from '../../../src/time/timers.ts';
import { accepted, INTENT, moved } from '../../store/contract/steps.ts';
import { openStore } from '../../store/postgres/openStore.ts';
import { eventually } from '../../support/eventually.ts';
import { connect, freshDatabase, waitingForLocks } from '../../support/servers/database.ts';

it('an intent whose first try took the last place while the second one waited is recognised', async () => {
  const url = await freshDatabase();
  const [impatient, store] = [await openStore(url, { answerTimeoutMs: 3000 }), await openStore(url)];
  const timers = createTimers(systemClock);
  onTestFinished(() => timers.close());
  const log = pino({ level: 'silent' });
  const tasks = createActiveTasks({ store, feed: createFeed(), clock: systemClock, timers, log });
  const intent = () => ({ ...INTENT, accountId: 'account', idempotencyKey: newId() });
  // One of two places is taken, and both connections know the counter.
  expect(await impatient.intend(moved(await accepted(store), intent()), 2)).toBe('written');
  await store.commit(moved(await accepted(store), intent()));
  const active = tasks.add(await accepted(store));
  const holder = await connect(url);
  await holder.query('begin');
  await holder.query(`update account_places set in_flight = 1 where account_id = 'account'`);
  let tries = 0;
  const intending = tasks.apply(active, intent(), {
    retryUntilWritten: true,
    intend(move) {
      tries += 1;
      return (tries === 1 ? impatient : store).intend(move, 2);
    },
  });
  await eventually(async () => expect([tries, await waitingForLocks(holder)]).toEqual([2, 2]));
  await holder.query('commit');
  expect(await intending).toMatchObject({ phase: 'submitting' });
  expect([tries, tasks.drives(active), active.writeUnknown]).toEqual([2, true, false]);
});
