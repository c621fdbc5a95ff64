import { describe, expect, it } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import { newId, newTaskId } from '../../../src/tasks/ids.ts';
import type { Event } from '../../../src/tasks/lifecycle.ts';
import { taskError } from '../../../src/tasks/reasons.ts';
import { isTerminal, PHASES, type Task } from '../../../src/tasks/task.ts';
import { aRequest } from '../../support/builders.ts';
import { accepted, INTENT, intended, moved } from './steps.ts';

const CONFIRMED = { type: 'submit_confirmed', upstreamId: 'job', working: false } as const satisfies Event;

const byId = (tasks: readonly Task[]) => [...tasks].sort((one, other) => (one.id < other.id ? -1 : 1));

/** What nodes that share tasks need from a store; a single node needs the same. */
export function describeSharing(name: string, open: () => Promise<Store>): void {
  describe(`${name}: many tasks by their ids`, () => {
    it('are the existing ones, with their attempts, each once', async () => {
      const store = await open();
      const tasks = [await accepted(store), await intended(store), await accepted(store)];
      const ids = tasks.map(({ id }) => id);
      const found = await store.tasks([...ids, newTaskId(), ...ids]);
      expect(byId(found)).toStrictEqual(byId(tasks));
      expect(await store.tasks([])).toEqual([]);
    });
  });

  describe(`${name}: the tasks of a node`, () => {
    it('are counted without finished ones', async () => {
      const store = await open();
      expect(await store.loads()).toEqual(new Map());
      for (const phase of PHASES) await accepted(store, { phase, owner: 'one' });
      await accepted(store, { owner: 'other' });
      expect(await store.loads()).toEqual(
        new Map([
          ['one', PHASES.filter((phase) => !isTerminal(phase)).length],
          ['other', 1],
        ]),
      );
    });

    it('are read page by page, without gaps or repetitions', async () => {
      const store = await open();
      const mine: Task[] = [];
      for (let made = 0; made < 7; made++) {
        mine.push(await accepted(store, { owner: 'one' }));
        await accepted(store, { owner: 'other' });
        await accepted(store, { owner: 'one', phase: 'failed' });
      }
      const first = await store.owned('one', 3);
      const second = await store.owned('one', 3, first.at(-1)?.id);
      const third = await store.owned('one', 3, second.at(-1)?.id);
      expect([...first, ...second, ...third]).toStrictEqual(mine);
      expect((await store.owned('other', 100)).map(({ owner }) => owner)).toEqual(Array(7).fill('other'));
    });
  });

  describe(`${name}: transferring tasks`, () => {
    it('makes the other node the owner, and the writes of the former owner fail', async () => {
      const store = await open();
      const task = await accepted(store, { owner: 'one' });
      expect(await store.transfer('one', 'other', [task])).toEqual([task.id]);
      const given = { ...task, owner: 'other', version: task.version + 1 };
      expect(await store.task(task.id)).toStrictEqual(given);
      const late: Event = { ...INTENT, idempotencyKey: '3'.repeat(32) };
      expect(await store.commit(moved(task, late))).toBe(false);
      expect(await store.commit(moved({ ...given, owner: 'one' }, late))).toBe(false);
      expect(await store.commit(moved(given, late))).toBe(true);
    });

    it('skips tasks that have moved on, have another owner, are finished or do not exist', async () => {
      const store = await open();
      const moving = await accepted(store, { owner: 'one' });
      await store.commit(moved(moving, INTENT));
      const foreign = await accepted(store, { owner: 'third' });
      const finished = await accepted(store, { owner: 'one', phase: 'succeeded' });
      const none = { id: newTaskId(), version: 1 };
      const good = await accepted(store, { owner: 'one' });
      expect(await store.transfer('one', 'other', [moving, foreign, finished, none, good])).toEqual([
        good.id,
      ]);
      expect((await store.task(foreign.id))?.owner).toBe('third');
      expect((await store.task(finished.id))?.owner).toBe('one');
      expect(await store.transfer('one', 'other', [])).toEqual([]);
    });

    it('transfers hundreds at once', async () => {
      const store = await open();
      const tasks = await Promise.all(Array.from({ length: 400 }, () => accepted(store, { owner: 'one' })));
      const given = await store.transfer('one', 'other', tasks);
      expect([...given].sort()).toEqual(tasks.map(({ id }) => id).sort());
      expect(await store.loads()).toEqual(new Map([['other', 400]]));
    });
  });

  describe(`${name}: claiming a job that a search found`, () => {
    it('writes the move if no other attempt of the account has the job', async () => {
      const store = await open();
      const confirmed = moved(await intended(store), CONFIRMED);
      expect(await store.claim(confirmed)).toBe('claimed');
      expect(await store.task(confirmed.task.id)).toStrictEqual(confirmed.task);
      const elsewhere = moved(await intended(store, { accountId: 'other' }), CONFIRMED);
      expect(await store.claim(elsewhere)).toBe('claimed');
      const another = moved(await intended(store), { ...CONFIRMED, upstreamId: 'another job' });
      expect(await store.claim(another)).toBe('claimed');
    });

    it('accepts the job of the same attempt, and refuses the job of an earlier attempt', async () => {
      const store = await open();
      const task = await intended(store);
      const confirmed = moved(task, CONFIRMED);
      expect(await store.claim(confirmed)).toBe('claimed');
      const again = moved(confirmed.task, { type: 'work_started' });
      expect(await store.claim(again)).toBe('claimed');

      const { phase, version, attempt } = again.task;
      if (!attempt) throw new Error('there is no attempt');
      const next = { ...attempt, number: attempt.number + 1, idempotencyKey: newId() };
      const from = { phase, version };
      const repeated = {
        at: 1,
        from,
        task: { ...again.task, version: version + 1, attempt: next },
        ledger: [],
      };
      expect(await store.claim(repeated)).toBe('taken');
      expect(await store.task(task.id)).toStrictEqual(again.task);
    });

    it('writes nothing if another attempt has the job', async () => {
      const store = await open();
      await store.commit(moved(await intended(store), CONFIRMED));
      const task = await intended(store);
      expect(await store.claim(moved(task, CONFIRMED))).toBe('taken');
      expect(await store.task(task.id)).toStrictEqual(task);
    });

    it('reports that the task was lost to another driver', async () => {
      const store = await open();
      const task = await intended(store);
      await store.adopt('heir', 1);
      expect(await store.claim(moved(task, CONFIRMED))).toBe('lost');
      expect(await store.isKnownUpstream('account', 'job')).toBe(false);
    });

    it('succeeds for one of many simultaneous claims', async () => {
      const store = await open();
      const tasks = await Promise.all(Array.from({ length: 8 }, () => intended(store)));
      const outcomes = await Promise.all(tasks.map((task) => store.claim(moved(task, CONFIRMED))));
      expect(outcomes.filter((outcome) => outcome === 'claimed')).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === 'taken')).toHaveLength(7);
    });

    it('is refused for a move without a job id', async () => {
      const store = await open();
      const task = await intended(store);
      const nothing = async () => store.claim(moved(task, { type: 'submit_refused' }));
      await expect(nothing()).rejects.toThrow(/claims no upstream id/);
    });
  });

  describe(`${name}: an upstream job`, () => {
    it('is identified by its account and id together', async () => {
      const store = await open();
      await store.commit(moved(await intended(store), CONFIRMED));
      await store.commit(
        moved(await intended(store, { accountId: 'other' }), { ...CONFIRMED, upstreamId: 'its' }),
      );
      expect(await store.isKnownUpstream('account', 'job')).toBe(true);
      expect(await store.isKnownUpstream('other', 'job')).toBe(false);
      expect(await store.isKnownUpstream('account', 'its')).toBe(false);
    });

    it('that was submitted in the same way is known, the latest first', async () => {
      const store = await open();
      const made = async (changes: Parameters<typeof intended>[1], at: number) => {
        const task = await intended(store, { findVersion: 'v1', ...changes });
        const confirmed = moved(task, { ...CONFIRMED, upstreamId: task.id }, at);
        expect(await store.claim(confirmed)).toBe('claimed');
        return confirmed.task;
      };
      const [early, late] = [await made({}, 100), await made({}, 200)];
      await made({ findVersion: 'v2' }, 300);
      await made({ accountId: 'other' }, 300);
      await made({ upstreamModel: 'another' }, 300);
      await intended(store, { findVersion: 'v1' });
      const { attempt } = early;
      if (!attempt) throw new Error('no attempt');
      const read = (limit: number) => store.submittedLike({ ...attempt, findVersion: 'v1' }, limit);
      expect(await read(10)).toStrictEqual([late, early]);
      expect(await read(1)).toStrictEqual([late]);
    });

    it('that expired is followed if it has an id, since a given time, the latest first', async () => {
      const store = await open();
      const end = async (outcome: 'expired' | 'failed', at: number, upstream = true) => {
        let task = await intended(store);
        const confirmed = moved(task, { ...CONFIRMED, upstreamId: task.id });
        if (upstream) {
          await store.commit(confirmed);
          task = confirmed.task;
        }
        const error = taskError('expired', 'too late');
        const ended = moved(task, { type: 'failed', error, outcome }, at);
        expect(await store.commit(ended)).toBe(true);
        return ended.task;
      };
      const [early, middle, late] = [
        await end('expired', 100),
        await end('expired', 200),
        await end('expired', 300),
      ];
      await end('failed', 300);
      await end('expired', 300, false);
      expect(await store.expiredSince(100, 10)).toStrictEqual([late, middle, early]);
      expect(await store.expiredSince(101, 10)).toStrictEqual([late, middle]);
      expect(await store.expiredSince(100, 1)).toStrictEqual([late]);
    });
  });

  describe(`${name}: submissions similar to a task's`, () => {
    it('have the same account, model and prompt, are in progress, and are not the task itself', async () => {
      const store = await open();
      const prompt = 'a "boat" on\n the sea \\u0000 船';
      const submit = (changes: Parameters<typeof intended>[1] = {}, words = prompt) =>
        intended(store, changes, { request: aRequest({ prompt: words }) });
      const task = await submit();
      const duplicates = [
        await submit(),
        await submit({}, prompt.replace('\n', '\r\n')),
        await submit({}, `${prompt} !`),
      ];
      await submit({ accountId: 'other' });
      await submit({ upstreamModel: 'other' });
      await submit({}, `${prompt} and more`);
      await submit({}, 'a boat');
      // Refused there, and sent to another account since.
      const refused = moved(await submit(), { type: 'submit_refused' });
      await store.commit(refused);
      await store.commit(moved(refused.task, { ...INTENT, accountId: 'other', idempotencyKey: newId() }));
      await accepted(store, { request: aRequest({ prompt }) });
      await store.commit(moved(await submit(), CONFIRMED));
      const found = await store.submittingLike(task);
      expect(found.toSorted((a, b) => a.id.localeCompare(b.id))).toEqual(
        duplicates.map(({ id, version, owner }) => ({ id, version, owner })),
      );
    });
  });
}
