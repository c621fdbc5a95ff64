import { describe, expect, it } from 'vitest';
import { aMediaRow, anAcceptance, aTask, START_OF_TIME } from '../../support/builders.ts';
import type { StoreWithLedger } from '../../support/ledger.ts';
import { accepted, INTENT, moved } from './steps.ts';

/** Accepting tasks, once each. */
export function describeAccepting(name: string, open: () => Promise<StoreWithLedger>): void {
  describe(`${name}: accepting`, () => {
    it('writes the task, its hold, its inputs and the idempotency record together', async () => {
      const store = await open();
      const input = aMediaRow({ kind: 'input' });
      const idempotency = { key: 'k', bodyHash: 'h', expiresAt: START_OF_TIME + 1000 };
      const task = aTask();
      const acceptance = anAcceptance(task, { media: [{ ...input, taskId: task.id }], idempotency });
      expect(await store.accept(acceptance)).toEqual({ outcome: 'accepted' });
      expect(await store.mediaOf(task.id)).toEqual([{ ...input, taskId: task.id }]);
      expect(await store.ledger(task.id)).toEqual([
        {
          taskId: task.id,
          kind: 'hold',
          projectId: task.projectId,
          keyId: task.keyId,
          amountMicros: task.price.holdMicros,
          currency: 'USD',
          createdAt: task.createdAt,
        },
      ]);
      expect(await store.accept(anAcceptance(aTask(), { idempotency }))).toMatchObject({
        outcome: 'replayed',
      });
    });

    it('finds the task by its idempotency key, within its project and until the key expires', async () => {
      const store = await open();
      const task = aTask();
      const expiresAt = START_OF_TIME + 1000;
      await store.accept(anAcceptance(task, { idempotency: { key: 'k', bodyHash: 'h', expiresAt } }));
      const found = await store.acceptedUnder(task.projectId, 'k', START_OF_TIME);
      expect(found).toStrictEqual({ task, bodyHash: 'h' });
      expect(await store.acceptedUnder(task.projectId, 'another', START_OF_TIME)).toBeUndefined();
      expect(await store.acceptedUnder('another', 'k', START_OF_TIME)).toBeUndefined();
      expect(await store.acceptedUnder(task.projectId, 'k', expiresAt)).toBeUndefined();
    });

    it('writes nothing if one part cannot be written', async () => {
      const store = await open();
      const task = aTask();
      const hold = { kind: 'hold', amountMicros: 1 } as const;
      const idempotency = { key: 'k', bodyHash: 'h', expiresAt: START_OF_TIME + 1000 };
      const twice = anAcceptance(task, { ledger: [hold, hold], idempotency });
      await expect(store.accept(twice)).rejects.toThrow();
      expect(await store.task(task.id)).toBeUndefined();
      expect(await store.ledger(task.id)).toEqual([]);
      expect(await store.accept(anAcceptance(aTask(), { idempotency }))).toEqual({ outcome: 'accepted' });
    });

    it('accepts a repeated write of the same task, because an earlier answer may have been lost', async () => {
      const store = await open();
      const idempotency = { key: 'k', bodyHash: 'h', expiresAt: START_OF_TIME + 1000 };
      for (const acceptance of [anAcceptance(aTask()), anAcceptance(aTask(), { idempotency })]) {
        await store.accept(acceptance);
        expect(await store.accept(acceptance)).toEqual({ outcome: 'accepted' });
        // Even if it has been driven since.
        const next = moved(acceptance.task, { ...INTENT, idempotencyKey: acceptance.task.id });
        await store.commit(next);
        expect(await store.accept(acceptance)).toEqual({ outcome: 'accepted' });
        expect(await store.task(acceptance.task.id)).toStrictEqual(next.task);
        expect(await store.ledger(acceptance.task.id)).toHaveLength(1);
      }
    });

    it('refuses another task with the id of an existing one', async () => {
      const store = await open();
      const task = await accepted(store);
      const other = { ...task, projectId: 'other' };
      await expect(store.accept(anAcceptance(other))).rejects.toThrow(/belongs to another task/);
      expect(await store.task(task.id)).toStrictEqual(task);
      expect(await store.listTasks({ projectId: 'other', limit: 10 })).toEqual([]);
    });

    it('answers a repeated key with the current state of the task', async () => {
      const store = await open();
      const idempotency = { key: 'k', bodyHash: 'h', expiresAt: START_OF_TIME + 1000 };
      const task = await accepted(store, {}, { idempotency });
      const intended = moved(task, INTENT);
      await store.commit(intended);
      const again = await store.accept(anAcceptance(aTask(), { idempotency }));
      expect(again).toEqual({ outcome: 'replayed', task: intended.task });
    });

    it('reports a key that is repeated with another body', async () => {
      const store = await open();
      const idempotency = { key: 'k', bodyHash: 'h', expiresAt: START_OF_TIME + 1000 };
      await accepted(store, {}, { idempotency });
      const other = aTask();
      const conflict = anAcceptance(other, { idempotency: { ...idempotency, bodyHash: 'other' } });
      expect(await store.accept(conflict)).toEqual({ outcome: 'conflict' });
      expect(await store.task(other.id)).toBeUndefined();
      expect(await store.ledger(other.id)).toEqual([]);
    });

    it('keeps the keys of projects separate', async () => {
      const store = await open();
      const idempotency = { key: 'k', bodyHash: 'h', expiresAt: START_OF_TIME + 1000 };
      await accepted(store, {}, { idempotency });
      const elsewhere = anAcceptance(aTask({ projectId: 'other' }), { idempotency });
      expect(await store.accept(elsewhere)).toEqual({ outcome: 'accepted' });
    });

    it('treats an expired key as a new one', async () => {
      const store = await open();
      const idempotency = { key: 'k', bodyHash: 'h', expiresAt: START_OF_TIME + 1000 };
      await accepted(store, {}, { idempotency });
      const later = aTask({ createdAt: START_OF_TIME + 1000 });
      const renewed = { ...idempotency, bodyHash: 'other', expiresAt: START_OF_TIME + 2000 };
      expect(await store.accept(anAcceptance(later, { idempotency: renewed }))).toEqual({
        outcome: 'accepted',
      });
      const again = anAcceptance(aTask({ createdAt: START_OF_TIME + 1500 }), { idempotency: renewed });
      expect(await store.accept(again)).toMatchObject({ outcome: 'replayed', task: { id: later.id } });
    });

    it('accepts one of many simultaneous submissions with one key', async () => {
      const store = await open();
      const idempotency = { key: 'k', bodyHash: 'h', expiresAt: START_OF_TIME + 1000 };
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, () => store.accept(anAcceptance(aTask(), { idempotency }))),
      );
      expect(outcomes.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(1);
      expect(new Set(outcomes.map((made) => (made.outcome === 'replayed' ? made.task.id : ''))).size).toBe(2);
    });

    it('removes expired keys in batches', async () => {
      const store = await open();
      const idempotency = (key: string) => ({ key, bodyHash: 'h', expiresAt: START_OF_TIME + 1000 });
      for (const key of ['a', 'b', 'c']) await accepted(store, {}, { idempotency: idempotency(key) });
      expect(await store.removeExpiredIdempotency(START_OF_TIME + 999, 10)).toBe(0);
      expect(await store.removeExpiredIdempotency(START_OF_TIME + 1000, 2)).toBe(2);
      expect(await store.removeExpiredIdempotency(START_OF_TIME + 1000, 2)).toBe(1);
    });
  });
}
