import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import { newId } from '../../../src/tasks/ids.ts';
import type { Event } from '../../../src/tasks/lifecycle.ts';
import { taskError } from '../../../src/tasks/reasons.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { aKey, aMediaRow, anAcceptance, aRequest, aTask } from '../../support/builders.ts';
import { INTENT, intended, moved } from './steps.ts';
import { anEndpoint } from './webhooks.ts';

/** A store, and direct access to its rows. */
interface OpenedBeside {
  readonly store: Store;
  run(sql: string): Promise<void>;
  read(sql: string): Promise<readonly object[]>;
}

const DAY = 86_400_000;
/** What is removed must be old by the clock of a database, too. */
const NOW = Date.now();
const FAILED: Event = { type: 'failed', error: taskError('cancelled', 'cancelled'), outcome: 'cancelled' };
const removeTasks = async (store: Store, limit = 100, keepMs = 5 * DAY) =>
  store.removeTasks({ now: NOW, keepMs, ids: (await store.tasksAfter('', limit)).map(({ id }) => id) });

const summarise = async (store: Store, limit = 100, keepMs = 5 * DAY) =>
  store.summariseLedger({
    now: NOW,
    keepMs,
    ids: (await store.ledgeredAfter('', limit)).map(({ id }) => id),
  });

const RESULT = {
  videoId: 'v',
  posterId: 'p',
  bytes: 1,
  sha256: 's',
  duration: 3,
  width: 3,
  height: 4,
  videoCodec: 'h264',
  expiresAt: NOW,
};

/** A task that was accepted, tried twice, and has succeeded so long ago. Its events and media are gone. */
async function succeeded(store: Store, ageMs = 10 * DAY, changes: Partial<Task> = {}): Promise<Task> {
  const at = NOW - ageMs;
  let task = aTask({ createdAt: at, request: aRequest({ metadata: { plan: 'pro' } }), ...changes });
  await store.accept(anAcceptance(task));
  for (const event of [
    { ...INTENT, idempotencyKey: newId() },
    { type: 'submit_refused', detail: 'busy' },
    { ...INTENT, accountId: 'second', idempotencyKey: newId() },
    { type: 'submit_confirmed', upstreamId: newId(), working: true },
    { type: 'upstream_succeeded', result: { ref: 'there' } },
    { type: 'stored', result: RESULT },
  ] satisfies Event[]) {
    const next = moved(task, event, at);
    expect(await store.commit(next)).toBe(true);
    task = next.task;
  }
  return task;
}

async function failed(store: Store, ageMs = 10 * DAY, changes: Partial<Task> = {}): Promise<Task> {
  const task = aTask({ createdAt: NOW - ageMs, ...changes });
  await store.accept(anAcceptance(task));
  const end = moved(task, FAILED, NOW - ageMs);
  expect(await store.commit(end)).toBe(true);
  return end.task;
}

const forgetEvents = (store: Store) => store.removeEvents(NOW, 0, 1000);

/** Sums over the whole ledger. */
const BALANCE = `
  select project_id, key_id, model, account_id, currency, kind, cast(day as text) as day, cast(sum(amount_micros) as text) as amount,
    cast(sum(entries) as text) as entries
  from ledger_entries group by 1, 2, 3, 4, 5, 6, day order by 1, 2, 3, 4, 5, 6, day`;

const rowsOf = (table: string) => `select * from ${table}`;

/** The end of rows. */
export function describeRetention(name: string, open: () => Promise<OpenedBeside>): void {
  describe(`${name}: a task that ended long ago`, () => {
    it('is removed with all its rows, and no sum of the ledger changes', async () => {
      const { store, run, read } = await open();
      await store.addEndpoint(anEndpoint(), 'secret', 100);
      const [kept, ...old] = [
        await succeeded(store, 4 * DAY, { keyId: 'other' }),
        await succeeded(store),
        await succeeded(store, 10.9 * DAY),
        await failed(store),
      ];
      const balance = await read(BALANCE);
      expect(balance.length).toBeGreaterThan(5);
      // An event stays while it is to be delivered.
      await run(`update webhook_deliveries set state = 'delivered'`);
      await store.removeEvents(NOW, 5 * DAY, 1000);
      const removed = await removeTasks(store);
      expect(removed.toSorted()).toEqual(old.map(({ id }) => id).toSorted());
      expect(await read(BALANCE)).toEqual(balance);
      expect(await store.tasks([...removed, kept?.id ?? ''])).toEqual([kept]);
      expect(await store.listTasks({ projectId: 'project', limit: 10, metadata: { plan: 'pro' } })).toEqual([
        kept,
      ]);
      const left = await Promise.all(
        ['tasks', 'attempts', 'ledger', 'task_metadata', 'webhook_deliveries'].map(rowsOf).map(read),
      );
      expect(left.map((rows) => rows.length)).toEqual([1, 2, 3, 1, 2]);
      expect(await removeTasks(store)).toEqual([]);
    });

    it.each<[string, (store: Store, run: OpenedBeside['run']) => Promise<unknown>]>([
      ['it is not finished', (store) => intended(store, {}, { createdAt: NOW - 10 * DAY })],
      ['it ended later than others', (store) => failed(store, 4 * DAY)],
      [
        'it has a file',
        async (store) =>
          store.putMedia([aMediaRow({ taskId: (await failed(store)).id, expiresAt: NOW + DAY })]),
      ],
      [
        'a job of it may be in flight',
        async (store, run) => {
          await succeeded(store);
          await run('update attempts set outcome = null, upstream_result = null where number = 1');
        },
      ],
      [
        'a place lingers for it',
        async (store, run) => {
          await succeeded(store);
          await run(`update attempts set place_until = ${NOW + DAY} where number = 2`);
        },
      ],
    ])('stays if %s', async (_, make) => {
      const { store, run, read } = await open();
      await make(store, run);
      await forgetEvents(store);
      const before = await read(rowsOf('ledger'));
      expect(await removeTasks(store)).toEqual([]);
      expect(await read(rowsOf('tasks'))).toHaveLength(1);
      expect(await read(rowsOf('ledger'))).toEqual(before);
    });

    it('stays as long as its events, so that no stream has a gap that it is not told of', async () => {
      const { store } = await open();
      const { id } = await failed(store);
      expect(await removeTasks(store)).toEqual([]);
      await forgetEvents(store);
      expect(await removeTasks(store)).toEqual([id]);
    });

    it('gives up the inputs of its request, and is removed once their bytes are', async () => {
      const { store } = await open();
      const task = await failed(store);
      const input = aMediaRow({ kind: 'input', taskId: task.id });
      await store.putMedia([input]);
      await forgetEvents(store);
      expect(await store.sweepable(NOW, NOW - DAY, 10)).toEqual([]);
      expect(await removeTasks(store)).toEqual([]);
      expect(await store.sweepable(NOW, NOW - DAY, 10)).toEqual([{ ...input, expiresAt: NOW }]);
      await store.removeMedia([input.id]);
      expect(await removeTasks(store)).toEqual([task.id]);
    });

    it('is found in the order of acceptance, with or without ledger rows', async () => {
      const { store, run } = await open();
      const tasks = [await failed(store), await failed(store), await failed(store)];
      await run(`delete from ledger where task_id = '${tasks[1]?.id}'`);
      const accepted = tasks.map(({ id, createdAt }) => ({ id, createdAt }));
      expect(await store.tasksAfter('', 10)).toEqual(accepted);
      expect(await store.tasksAfter(accepted[0]?.id ?? '', 1)).toEqual([accepted[1]]);
      expect(await store.ledgeredAfter('', 10)).toEqual([accepted[0], accepted[2]]);
      expect(await store.ledgeredAfter(accepted[0]?.id ?? '', 1)).toEqual([accepted[2]]);
      expect(await store.ledgeredAfter(accepted[2]?.id ?? '', 1)).toEqual([]);
    });

    it('is removed by one of two nodes that try at once, and counted once', async () => {
      const { store, read } = await open();
      for (let n = 0; n < 20; n++) await succeeded(store);
      await forgetEvents(store);
      const balance = await read(BALANCE);
      const removed = await Promise.all([1, 2, 3].map(() => removeTasks(store)));
      expect(removed.flat()).toHaveLength(20);
      expect(await read(BALANCE)).toEqual(balance);
    });
  });

  describe(`${name}: the ledger`, () => {
    it('becomes sums by day once its tasks ended long ago; the tasks stay, and are not counted twice when they are removed', async () => {
      const { store, read } = await open();
      for (const age of [10, 10, 9, 1]) await succeeded(store, age * DAY);
      await intended(store, {}, { createdAt: NOW - 20 * DAY });
      await forgetEvents(store);
      const balance = await read(BALANCE);
      expect(await summarise(store)).toHaveLength(3);
      expect(await read(BALANCE)).toEqual(balance);
      expect(await read(rowsOf('ledger'))).toHaveLength(4);
      expect(await summarise(store)).toEqual([]);
      expect(await removeTasks(store)).toHaveLength(3);
      expect(await read(BALANCE)).toEqual(balance);
    });

    it('has the same sums, whatever is summarised or removed, in pages of any size and in any order', async () => {
      const step = fc.record({
        what: fc.constantFrom('summarise', 'remove', 'task'),
        limit: fc.integer({ min: 1, max: 7 }),
        keep: fc.integer({ min: 0, max: 12 }),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 8 }), async (steps) => {
          const { store, read } = await open();
          const total = async () =>
            await read(
              'select kind, cast(sum(amount_micros) as text) as amount from ledger_entries group by 1 order by 1',
            );
          const ended = async (n: number) =>
            n % 2 === 0 ? succeeded(store, (n % 11) * DAY) : failed(store, (n % 11) * DAY);
          for (let n = 0; n < 5; n++) await ended(n);
          await forgetEvents(store);
          let balance = [await read(BALANCE), await total()];
          for (const [n, { what, limit, keep }] of steps.entries()) {
            if (what === 'task') {
              await ended(n + 5);
              await forgetEvents(store);
              balance = [await read(BALANCE), await total()];
            } else if (what === 'remove') await removeTasks(store, limit, keep * DAY);
            else await summarise(store, limit, keep * DAY);
            expect([await read(BALANCE), await total()]).toEqual(balance);
          }
        }),
        { numRuns: 3 },
      );
    });
  });

  it(`${name}: webhook deliveries that are old are removed, those that are pending stay`, async () => {
    const { store, run } = await open();
    await store.addEndpoint(anEndpoint(), 'secret', 100);
    for (const age of [10, 9, 8, 1]) await failed(store, age * DAY);
    await run(`update webhook_deliveries set state = 'delivered' where created_at <> ${NOW - 9 * DAY}`);
    // Was tried for days.
    await run(
      `update webhook_deliveries set tried_at = ${NOW - 5 * DAY + 1} where created_at = ${NOW - 10 * DAY}`,
    );
    expect(await store.removeDeliveries(NOW, 5 * DAY, 1)).toBe(1);
    expect(await store.removeDeliveries(NOW, 5 * DAY, 10)).toBe(0);
    await run(
      `update webhook_deliveries set tried_at = ${NOW - 5 * DAY} where created_at = ${NOW - 10 * DAY}`,
    );
    expect(await store.removeDeliveries(NOW, 5 * DAY, 10)).toBe(1);
    expect(await store.removeDeliveries(NOW, 5 * DAY, 10)).toBe(0);
    const left = await store.deliveries({ projectId: 'project', limit: 10 });
    expect(left.map(({ createdAt, state }) => [(NOW - createdAt) / DAY, state])).toEqual([
      [1, 'delivered'],
      [9, 'pending'],
    ]);
  });

  it(`${name}: rows of the audit log that are old are removed, the oldest first`, async () => {
    const { store, run, read } = await open();
    // The first key of a project has an entry for the project, too.
    await store.putKey(aKey(), { at: NOW, actor: 'cli', action: 'key.created', subject: 'first' });
    await run('delete from audit');
    for (const age of [9, 10, 1, 5])
      await store.putKey(aKey(), {
        at: NOW - age * DAY,
        actor: 'cli',
        action: 'key.created',
        subject: `${age}`,
      });
    const left = async () =>
      (await read('select subject from audit order by at')).map((row) => Reflect.get(row, 'subject'));
    expect(await store.removeAudit(NOW, 5 * DAY + 1, 1)).toBe(1);
    expect(await left()).toEqual(['9', '5', '1']);
    expect(await store.removeAudit(NOW, 5 * DAY + 1, 10)).toBe(1);
    expect(await store.removeAudit(NOW, 5 * DAY, 10)).toBe(1);
    expect(await store.removeAudit(NOW, 5 * DAY, 10)).toBe(0);
    expect(await left()).toEqual(['1']);
    expect(await store.removeAudit(NOW, DAY, 10)).toBe(1);
  });
}
