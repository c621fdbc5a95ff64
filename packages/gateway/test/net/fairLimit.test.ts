import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFairLimit } from '../../src/net/fairLimit.ts';

const NEVER = new AbortController().signal;

describe('a fair limit', () => {
  it('gives no tenant more than its part, and lets none wait for what another has queued', async () => {
    const limit = createFairLimit({ total: 4, perTenant: 3 });
    const order: string[] = [];
    const ask = (tenant: string) =>
      limit.acquire(tenant, 1, NEVER).then((release) => {
        order.push(tenant);
        return release;
      });
    const greedy = Array.from({ length: 10 }, () => ask('greedy'));
    const modest = ask('modest');
    await turn();
    expect(order).toEqual(['greedy', 'greedy', 'greedy', 'modest']);
    (await modest)();
    (await greedy[0])?.();
    await turn();
    expect(order).toHaveLength(5);
  });

  it('serves tenants in turn, whoever asked first', async () => {
    const limit = createFairLimit({ total: 1, perTenant: 1 });
    const first = await limit.acquire('a', 1, NEVER);
    const order: string[] = [];
    for (const tenant of ['a', 'a', 'a', 'b', 'b', 'c']) {
      void limit.acquire(tenant, 1, NEVER).then((release) => {
        order.push(tenant);
        release();
      });
    }
    first();
    await turn();
    expect(order).toEqual(['a', 'b', 'c', 'a', 'b', 'a']);
  });

  it('passes a place that is given up in the queue to the next', async () => {
    const limit = createFairLimit({ total: 2, perTenant: 2 });
    const release = await limit.acquire('a', 1, NEVER);
    const gone = new AbortController();
    const large = limit.acquire('b', 2, gone.signal);
    const small = limit.acquire('c', 1, NEVER);
    gone.abort(new Error('hung up'));
    await expect(large).rejects.toThrow('hung up');
    (await small)();
    release();
    await expect(limit.acquire('b', 2, gone.signal)).rejects.toThrow('hung up');
  });

  it('never exceeds either limit, and serves everybody in the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ tenant: fc.constantFrom('a', 'b', 'c'), units: fc.integer({ min: 1, max: 9 }) }),
          {
            maxLength: 30,
          },
        ),
        async (asks) => {
          const limit = createFairLimit({ total: 6, perTenant: 4 });
          const use = { a: [0, 0], b: [0, 0], c: [0, 0] } as Record<string, [number, number]>;
          await Promise.all(
            asks.map(async ({ tenant, units }) => {
              const release = await limit.acquire(tenant, units, NEVER);
              const own = use[tenant] as [number, number];
              own[0] += Math.min(units, 6);
              own[1] += 1;
              expect(Object.values(use).reduce((sum, [used]) => sum + used, 0)).toBeLessThanOrEqual(6);
              expect(own[1] === 1 || own[0] <= 4).toBe(true);
              await turn();
              own[0] -= Math.min(units, 6);
              own[1] -= 1;
              release();
              release();
            }),
          );
        },
      ),
      { numRuns: 100 },
    );
  });
});
