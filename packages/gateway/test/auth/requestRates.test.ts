import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRequestRates, TooManyRequests } from '../../src/auth/requestRates.ts';
import type { KeyWithProject, Limits } from '../../src/store/projects.ts';
import { openStore } from '../store/postgres/openStore.ts';
import { aKey } from '../support/builders.ts';
import { type Json, QUICK, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { freshDatabase } from '../support/servers/database.ts';

/** The beginning of a minute. */
const START = 1_790_000_040_000;

const keyWith = (ofKey: Limits | undefined, ofProject?: Limits, id = 'one'): KeyWithProject => ({
  ...aKey({ id, projectId: 'p', ...(ofKey ? { limits: ofKey } : {}) }),
  project: { id: 'p', name: 'p', createdAt: 0, ...(ofProject ? { limits: ofProject } : {}) },
});

/** How many of so many requests at once are let through. */
async function allowed(rates: ReturnType<typeof createRequestRates>, key: KeyWithProject, count: number) {
  const results = await Promise.allSettled(Array.from({ length: count }, async () => rates.take(key)));
  for (const result of results)
    if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(TooManyRequests);
  return results.filter(({ status }) => status === 'fulfilled').length;
}

describe('the requests a minute of one node', () => {
  it('are as many as the limit says, and as many again in the next minute', async () => {
    let now = START + 20_000;
    const rates = createRequestRates(undefined, { now: () => now });
    const key = keyWith({ requestsPerMinute: 3 });
    expect(await rates.take(key)).toEqual([{ name: 'key', limit: 3, remaining: 2, resetSeconds: 40 }]);
    expect(await allowed(rates, key, 5)).toBe(2);
    await expect(rates.take(key)).rejects.toMatchObject({
      status: 429,
      code: 'too_many_requests',
      details: { retryAfterSeconds: 40 },
    });
    now = START + 60_000;
    expect(await allowed(rates, key, 5)).toBe(3);
    // A clock that is set back gives none.
    now = START;
    expect(await allowed(rates, key, 5)).toBe(0);
  });

  it('are those of the key and of all keys of its project, and are counted on after a change or rotation', async () => {
    const rates = createRequestRates(undefined, { now: () => START });
    const project = { requestsPerMinute: 5 };
    const [one, other] = [keyWith({ requestsPerMinute: 3 }, project), keyWith(undefined, project, 'other')];
    expect(await allowed(rates, one, 4)).toBe(3);
    expect(await rates.take(other)).toEqual([{ name: 'project', limit: 5, remaining: 1, resetSeconds: 60 }]);
    const rotated = { ...keyWith({ requestsPerMinute: 3 }, undefined, 'next'), family: 'one' };
    expect(await allowed(rates, rotated, 1)).toBe(0);
    expect(await allowed(rates, keyWith({ requestsPerMinute: 4 }), 3)).toBe(1);
    expect(rates.take(keyWith(undefined))).toBeUndefined();
  });
});

describe('the requests a minute of several nodes', () => {
  it.each([7, 450])('of a limit of %i are never more, and at most 1% of it a node fewer', async (limit) => {
    const url = await freshDatabase();
    let now = START;
    const nodes = await Promise.all(
      [1, 2, 3].map(async () => createRequestRates((await openStore(url)).sharedLimits, { now: () => now })),
    );
    const key = keyWith({ requestsPerMinute: limit });
    for (let minute = 0; minute < 2; minute++) {
      const each = await Promise.all(nodes.map((rates) => allowed(rates, key, limit)));
      const all = each.reduce((sum, count) => sum + count, 0);
      expect(all).toBeLessThanOrEqual(limit);
      expect(all).toBeGreaterThanOrEqual(limit - 2 * Math.floor(limit / 100));
      now += 60_000;
    }
  });
});

describe('a key with requests a minute', () => {
  let t: TestGateway;
  beforeAll(async () => {
    t = await startTestGateway({}, { clock: { now: () => START + 15_000 } });
  });
  afterAll(() => t.end());
  const made = async (limits: object) =>
    (
      await t.json('/v1/admin/keys', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'limited', limits }),
      })
    ).body as Json;
  const rateOf = ({ headers }: { headers: Headers }) =>
    ['ratelimit-policy', 'ratelimit', 'retry-after'].map((name) => headers.get(name));

  it('is told what remains with every answer, and refused with 429 when nothing does', async () => {
    const { key } = await made({ requests_per_minute: 4 });
    const { task_id: id } = (await t.submit(QUICK, { key })).body;
    const path = `/v1/video/generations/${id}`;
    // The same answer again and again, which is cached after the first.
    for (const remaining of [2, 1, 0]) {
      const answer = await t.json(path, { key });
      expect([answer.status, ...rateOf(answer).slice(0, 2)]).toEqual([
        200,
        '"key";q=4;w=60',
        `"key";r=${remaining};t=45`,
      ]);
    }
    for (const refused of [await t.json(path, { key }), await t.submit(QUICK, { key })]) {
      expect([refused.status, refused.body.error.reason]).toEqual([429, 'too_many_requests']);
      expect(rateOf(refused)).toEqual(['"key";q=4;w=60', '"key";r=0;t=45', '45']);
      expect(refused.body.error.message).toMatch(/may make 4 requests a minute.*in 45 seconds/);
    }
  });

  it('without a limit is told nothing of it', async () => {
    const { key } = await made({ tasks_in_flight: 100 });
    expect(rateOf(await t.call('/v1/models', { key }))).toEqual([null, null, null]);
  });
});
