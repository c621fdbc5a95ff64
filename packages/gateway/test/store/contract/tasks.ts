import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId, newTaskId } from '../../../src/tasks/ids.ts';
import type { Event, Move } from '../../../src/tasks/lifecycle.ts';
import { taskError } from '../../../src/tasks/reasons.ts';
import { isTerminal, type Task } from '../../../src/tasks/task.ts';
import { anyTask } from '../../support/anyTask.ts';
import { aMediaRow, anAcceptance, aTask, START_OF_TIME } from '../../support/builders.ts';
import type { StoreWithLedger } from '../../support/ledger.ts';
import { accepted, INTENT, moved } from './steps.ts';

const FAILED: Event = { type: 'failed', error: taskError('cancelled', 'cancelled'), outcome: 'cancelled' };

/** Tasks, their moves and their owners. */
export function describeTasks(name: string, open: () => Promise<StoreWithLedger>): void {
  describe(`${name}: a task`, () => {
    it('is read with every property it was stored with, and no other', async () => {
      const store = await open();
      await fc.assert(
        fc.asyncProperty(anyTask, async (generated) => {
          // New ids in every run, because shrinking repeats what was generated.
          const { attempt: tried, ...withoutAttempt } = { ...generated, id: newTaskId() };
          const attempt = tried && { ...tried, idempotencyKey: newId() };
          const task: Task = { ...withoutAttempt, ...(attempt ? { attempt } : {}) };
          await store.accept(anAcceptance(withoutAttempt));
          expect(await store.task(task.id)).toStrictEqual(withoutAttempt);
          // An attempt is stored with a move.
          const next = { ...task, version: task.version + 1 };
          const from = { phase: task.phase, version: task.version };
          expect(await store.commit({ at: START_OF_TIME, from, task: next, ledger: [] })).toBe(true);
          expect(await store.task(task.id)).toStrictEqual(next);
        }),
        { numRuns: 60 },
      );
    });

    it('gets everything that a move changes, and keeps what it was accepted with', async () => {
      const store = await open();
      await fc.assert(
        fc.asyncProperty(anyTask, anyTask, async (before, generated) => {
          const { attempt: _, ...first } = { ...before, id: newTaskId() };
          const { id, projectId, keyId, owner, createdAt, deadlineAt, price } = first;
          const kept = { id, projectId, keyId, owner, createdAt, deadlineAt, price };
          const { attempt: tried, ...next } = { ...generated, ...kept, version: first.version + 1 };
          await store.accept(anAcceptance(first));
          const from = { phase: first.phase, version: first.version };
          expect(await store.commit({ at: START_OF_TIME, from, task: next, ledger: [] })).toBe(true);
          expect(await store.task(id)).toStrictEqual(next);
          if (!tried) return;

          // The attempt at its begin, and then with everything that is learnt later.
          const { number, accountId, upstreamModel, intendedAt } = tried;
          const begun = { number, accountId, upstreamModel, intendedAt, idempotencyKey: newId() };
          const there = {
            ...(tried.intendedThereAt === undefined ? {} : { intendedThereAt: tried.intendedThereAt }),
            ...(tried.server === undefined ? {} : { server: tried.server }),
            ...(tried.findVersion === undefined ? {} : { findVersion: tried.findVersion }),
          };
          for (const attempt of [
            { ...begun, ...there },
            { ...tried, ...begun },
          ]) {
            const { version = 0 } = (await store.task(id)) ?? {};
            const task = { ...next, attempt, version: version + 1 };
            const since = { phase: next.phase, version };
            expect(await store.commit({ at: START_OF_TIME, from: since, task, ledger: [] })).toBe(true);
            expect(await store.task(id)).toStrictEqual(task);
          }
        }),
        { numRuns: 60 },
      );
    });

    it('is undefined if it does not exist', async () => {
      expect(await (await open()).task(newTaskId())).toBeUndefined();
    });

    it('keeps every attempt when another one is made', async () => {
      const store = await open();
      const first = moved(await accepted(store), INTENT);
      const refused = moved(first.task, { type: 'submit_refused', detail: 'busy' });
      const second = moved(refused.task, { ...INTENT, accountId: 'other', idempotencyKey: '2'.repeat(32) });
      for (const step of [first, refused, second]) expect(await store.commit(step)).toBe(true);
      expect((await store.task(first.task.id))?.attempt).toMatchObject({ number: 2, accountId: 'other' });
      // The first is a row of its own, so its idempotency key cannot be used again.
      const thief = moved(await accepted(store), INTENT);
      await expect(store.commit(thief)).rejects.toThrow();
    });
  });

  describe(`${name}: a move`, () => {
    it('from one version is written by one of two drivers; the other one writes nothing', async () => {
      const store = await open();
      const task = await accepted(store);
      const video = aMediaRow({ taskId: task.id });
      const winner = moved(task, INTENT);
      const loser = moved(task, FAILED);
      const outcomes = await Promise.all([store.commit(winner), store.commit(loser, [video])]);
      expect(outcomes).toEqual([true, false]);
      expect(await store.task(task.id)).toStrictEqual(winner.task);
      expect((await store.ledger(task.id)).map(({ kind }) => kind)).toEqual(['hold']);
      expect(await store.media(video.id)).toBeUndefined();
    });

    it('is written once in a hundred tries', async () => {
      const store = await open();
      const task = await accepted(store);
      const outcomes = await Promise.all(
        Array.from({ length: 100 }, () => store.commit(moved(task, FAILED))),
      );
      expect(outcomes.filter(Boolean)).toHaveLength(1);
      expect((await store.ledger(task.id)).map(({ kind }) => kind)).toEqual(['hold', 'release']);
    });

    it('is compared with the phase as well as the version', async () => {
      const store = await open();
      const task = await accepted(store);
      const { from, ...rest } = moved(task, FAILED);
      expect(await store.commit({ ...rest, from: { ...from, phase: 'running' } })).toBe(false);
      expect(await store.commit({ ...rest, from: { ...from, version: 2 } })).toBe(false);
      expect(await store.task(task.id)).toStrictEqual(task);
    });

    it('of a task that does not exist is refused', async () => {
      const store = await open();
      expect(await store.commit(moved(aTask(), FAILED))).toBe(false);
    });

    it('never writes a kind of ledger row twice: the whole move fails', async () => {
      const store = await open();
      const failed = moved(await accepted(store), FAILED);
      await store.commit(failed);
      const { phase, version } = failed.task;
      const again: Move = {
        at: START_OF_TIME,
        from: { phase, version },
        task: { ...failed.task, version: version + 1 },
        ledger: [{ kind: 'release', amountMicros: 1 }],
      };
      await expect(store.commit(again)).rejects.toThrow();
      expect(await store.task(failed.task.id)).toStrictEqual(failed.task);
    });

    it('is written with its media rows', async () => {
      const store = await open();
      const task = await accepted(store);
      const pending = aMediaRow({ taskId: task.id, state: 'pending' });
      await store.putMedia([pending]);
      const present = { ...pending, state: 'present', bytes: 5, sha256: 'abc', expiresAt: 9 } as const;
      await store.commit(moved(task, INTENT), [present]);
      expect(await store.media(pending.id)).toEqual(present);
    });
  });

  describe(`${name}: writes of one turn`, () => {
    it('fail independently of each other', async () => {
      const store = await open();
      const [one, other] = [aTask(), aTask()];
      const hold = { kind: 'hold', amountMicros: 1 } as const;
      const outcomes = await Promise.allSettled([
        store.accept(anAcceptance(one)),
        store.accept(anAcceptance(aTask(), { ledger: [hold, hold] })),
        store.accept(anAcceptance(other)),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(await store.task(one.id)).toStrictEqual(one);
      expect(await store.task(other.id)).toStrictEqual(other);
    });

    it('are visible to a reader who waited for them', async () => {
      const store = await open();
      await Promise.all(
        Array.from({ length: 200 }, async () => {
          const task = await accepted(store);
          expect(await store.task(task.id)).toStrictEqual(task);
        }),
      );
    });
  });

  describe(`${name}: adopting`, () => {
    it('takes every unfinished task of other owners, oldest first, in batches, and no finished one', async () => {
      const store = await open();
      const phases = ['accepted', 'submitting', 'running', 'storing', 'succeeded', 'failed'] as const;
      const tasks: Task[] = [];
      for (const phase of phases) tasks.push(await accepted(store, { phase }));
      const unfinished = tasks.filter(({ phase }) => !isTerminal(phase));

      const first = await store.adopt('heir', 3);
      const second = await store.adopt('heir', 3);
      expect([...first, ...second]).toStrictEqual(
        unfinished.map((task) => ({ ...task, owner: 'heir', version: task.version + 1 })),
      );
      expect(await store.adopt('heir', 3)).toEqual([]);
    });

    it('takes at most the requested number, however many owners there are', async () => {
      const store = await open();
      const owners = ['first', 'second', 'third'];
      for (const owner of [...owners, ...owners]) await accepted(store, { owner });
      expect(await store.adopt('heir', 4)).toHaveLength(4);
      expect((await store.loads()).get('heir')).toBe(4);
    });

    it('leaves the tasks that the adopter already owns', async () => {
      const store = await open();
      await accepted(store, { owner: 'heir' });
      expect(await store.adopt('heir', 10)).toEqual([]);
    });

    it('makes late writes of the former owner fail', async () => {
      const store = await open();
      const task = await accepted(store);
      const late = moved(task, INTENT);
      const [adopted] = await store.adopt('heir', 1);
      expect(await store.commit(late)).toBe(false);
      if (!adopted) throw new Error('nothing adopted');
      // Even a guessed version does not help, because the owner is compared too.
      const { owner } = task;
      expect(await store.commit(moved({ ...adopted, owner }, INTENT))).toBe(false);
      expect(await store.commit(moved(adopted, INTENT))).toBe(true);
    });
  });
}
