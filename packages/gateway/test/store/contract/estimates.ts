import { describe, expect, it } from 'vitest';
import type { Store } from '../../../src/store/store.ts';

const MOST = 100;

/** What is kept of how long jobs take. */
export function describeEstimates(name: string, open: () => Promise<Store>): void {
  describe(`${name}: estimates`, () => {
    it('are made once, then replaced only in the version that was read', async () => {
      const store = await open();
      expect(await store.estimate('sora')).toBeUndefined();
      expect(await store.putEstimate({ kind: 'sora', data: 'a', version: 0 }, MOST)).toBe(true);
      expect(await store.putEstimate({ kind: 'sora', data: 'b', version: 0 }, MOST)).toBe(false);
      expect(await store.estimate('sora')).toMatchObject({ kind: 'sora', data: 'a', version: 1 });
      expect(await store.putEstimate({ kind: 'sora', data: 'c', version: 1 }, MOST)).toBe(true);
      expect(await store.putEstimate({ kind: 'sora', data: 'd', version: 1 }, MOST)).toBe(false);
      expect(await store.putEstimate({ kind: 'veo', data: 'e', version: 1 }, MOST)).toBe(false);
      expect(await store.estimate('sora')).toMatchObject({ kind: 'sora', data: 'c', version: 2 });
      expect(await store.estimate('veo')).toBeUndefined();
    });

    it('get one winner of writers that come at once', async () => {
      const store = await open();
      for (const version of [0, 1]) {
        const written = await Promise.all(
          Array.from({ length: 8 }, (_, n) =>
            store.putEstimate({ kind: 'sora', data: `${n}`, version }, MOST),
          ),
        );
        expect(written.filter(Boolean)).toHaveLength(1);
        const stored = await store.estimate('sora');
        expect(stored).toMatchObject({ version: version + 1, data: `${written.indexOf(true)}` });
      }
    });

    it('are read from a time on', async () => {
      const store = await open();
      const before = Date.now() - 60_000;
      await store.putEstimate({ kind: 'sora', data: 'a', version: 0 }, MOST);
      await store.putEstimate({ kind: 'veo', data: 'b', version: 0 }, MOST);
      const all = await store.estimates(0);
      expect(all.map(({ kind, data, version }) => [kind, data, version]).sort()).toEqual([
        ['sora', 'a', 1],
        ['veo', 'b', 1],
      ]);
      for (const { updatedAt } of all) expect(updatedAt).toBeGreaterThan(before);
      const last = Math.max(...all.map(({ updatedAt }) => updatedAt));
      expect((await store.estimates(last)).map(({ updatedAt }) => updatedAt)).toContain(last);
      expect(await store.estimates(last + 1)).toEqual([]);
    });

    it('are kept up to a number, those that were written last', async () => {
      const store = await open();
      await store.putEstimate({ kind: 'kind 0', data: '', version: 0 }, 3);
      for (let n = 1; n <= 5; n += 1) {
        // Writes of one millisecond have no order.
        const { updatedAt = 0 } = (await store.estimates(0)).at(-1) ?? {};
        while (Date.now() <= updatedAt) await new Promise(setImmediate);
        await store.putEstimate({ kind: `kind ${n}`, data: '', version: 0 }, 3);
      }
      expect((await store.estimates(0)).map(({ kind }) => kind)).toEqual(['kind 3', 'kind 4', 'kind 5']);
    });
  });
}
