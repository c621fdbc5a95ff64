import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Json, QUICK, startTestGateway, type TestGateway } from '../../support/gateway.ts';

let t: TestGateway;
beforeAll(async () => {
  // Nothing is sent to it: what would cost something is refused before.
  t = await startTestGateway({ OPENAI_API_KEY: 'sk-none', OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' });
});
afterAll(() => t.end());

const PRICED = { model: 'sora-2', prompt: 'a paper boat', duration: 4, resolution: '720p' };
const count = async () => (await t.json('/v1/video/generations?limit=100')).body.data.length;

/** Sets the limits of the project and its keys, as if they had been so since the start. */
async function limit(project: object | null, key: object | null): Promise<void> {
  const db = new Database(join(t.dataDir, 'onetake.db'));
  db.prepare('update projects set limits = ?').run(project && JSON.stringify(project));
  db.prepare('update keys set limits = ?').run(key && JSON.stringify(key));
  db.close();
  const wanted = JSON.stringify({ project, key });
  await expect
    .poll(async () => {
      const { body } = await quote(PRICED);
      return body.limits.length === Object.keys({ ...project, ...key }).length ? wanted : body;
    })
    .toBe(wanted);
}

const quote = (body: object): Promise<{ status: number; body: Json }> =>
  t.json('/v1/video/generations/quote', {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });

describe('limits of a project and its keys', () => {
  it('refuse a video that the budget has too little left for, and say when it resets', async () => {
    await limit({ dailyBudgetMicros: 100_000 }, { monthlyBudgetMicros: 200_000 });
    const before = await count();
    const { status, body } = await t.submit(PRICED);
    expect(status).toBe(402);
    expect(body.error).toMatchObject({
      reason: 'budget_spent',
      budget: 'monthly',
      of: 'key',
      limit: 0.2,
      left: 0.2,
      price: 0.4,
      currency: 'USD',
      message: expect.stringMatching(
        /monthly budget of this API key is 0.2 USD, of which 0.2 USD are left.*0.4 USD/,
      ),
    });
    expect(new Date(body.error.resets_at * 1000).toISOString()).toMatch(/-01T00:00:00/);
    expect(await count()).toBe(before);
    expect((await quote(PRICED)).body).toMatchObject({
      allowed: false,
      price: { hold: 0.4, currency: 'USD', seconds: 4, per_second: 0.1, per_video: 0 },
      limits: [
        { of: 'project', limit: 'daily_budget', most: 0.1, left: 0.1 },
        { of: 'key', limit: 'monthly_budget', most: 0.2, left: 0.2 },
      ],
    });
    const { body: project } = await t.json('/v1/admin/projects/default');
    expect(project.use).toMatchObject({ day: 0, month: 0, currency: 'USD' });
    // What is free touches no budget.
    expect((await t.submit(QUICK)).status).toBe(200);
  });

  it('refuse more unfinished tasks than there may be, with the headers that say so', async () => {
    await limit({ tasksInFlight: 0 }, null);
    const { status, headers, body } = await t.submit(QUICK);
    expect({ status, reason: body.error.reason, of: body.error.of }).toEqual({
      status: 429,
      reason: 'too_many_tasks',
      of: 'project',
    });
    expect(headers.get('retry-after')).toBe('10');
    expect(headers.get('ratelimit')).toBe('"project-tasks";r=0;t=10');
    expect(headers.get('ratelimit-policy')).toBe('"project-tasks";q=0;qu="concurrent-requests"');
    expect((await quote(QUICK)).body).toMatchObject({ allowed: false, price: { hold: 0 } });
    await limit(null, null);
    expect((await t.submit(QUICK)).status).toBe(200);
  });
});

describe('max_cost', () => {
  it.each([0.399_999, '0.1', 0])(
    'of %j refuses a video whose price is higher, and says it',
    async (max_cost) => {
      const before = await count();
      for (const { status, body } of [
        await t.submit({ ...PRICED, max_cost }),
        await quote({ ...PRICED, max_cost }),
      ]) {
        expect({ status, ...body.error }).toMatchObject({
          status: 400,
          reason: 'price_above_max_cost',
          param: 'max_cost',
        });
        expect(body.error.message).toContain('0.4 USD');
      }
      expect(await count()).toBe(before);
    },
  );

  it('allows a video of just this price', async () => {
    const answer = await quote({ ...PRICED, max_cost: '0.40' });
    expect(answer).toMatchObject({
      status: 200,
      body: { allowed: true },
    });
  });

  it.each(['much', '-1', 0.000_000_1, true])('of %j is refused with what it must be', async (max_cost) => {
    const { status, body } = await quote({ ...PRICED, max_cost });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ param: 'max_cost', message: expect.stringContaining('such as 1.25') });
  });
});

describe('a budget', () => {
  it.each([1e-7, 0.123_456_7, 1.000_000_1])('of %j is refused instead of being rounded', async (amount) => {
    for (const name of ['daily_budget', 'monthly_budget']) {
      const { status, body } = await t.json('/v1/admin/projects', {
        method: 'POST',
        body: JSON.stringify({ id: 'rounded', limits: { [name]: amount } }),
        headers: { 'content-type': 'application/json' },
      });
      expect(status).toBe(400);
      expect(body.error.message).toContain('at most six decimals');
    }
  });

  it.each([0.000_001, 123_456_789.123_456, 1e9, 0])('of %j is kept', async (amount) => {
    const { status, body } = await t.json('/v1/admin/projects', {
      method: 'POST',
      body: JSON.stringify({ id: `exact-${String(amount).length}`, limits: { daily_budget: amount } }),
      headers: { 'content-type': 'application/json' },
    });
    expect({ status, limits: body.limits }).toEqual({ status: 201, limits: { daily_budget: amount } });
  });
});

describe('a quote', () => {
  it('checks a request as a submit does', async () => {
    const { status, body } = await quote({ ...PRICED, resolution: '4k' });
    expect({ status, param: body.error.param }).toEqual({ status: 400, param: 'resolution' });
  });
});
