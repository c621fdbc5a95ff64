import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Json, KEY, QUICK, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { freshDatabase } from '../../support/servers/database.ts';

const PATH = '/v1/video/generations';

describe.each([
  ['SQLite', async () => ({})],
  ['PostgreSQL', async () => ({ ONETAKE_DATABASE_URL: await freshDatabase() })],
] as const)('waiting, on %s', (_store, settings) => {
  let t: TestGateway;
  beforeAll(async () => {
    t = await startTestGateway(await settings());
  });
  afterAll(() => t.end());

  const submit = (query: string, body: object = QUICK, headers: Record<string, string> = {}) =>
    t.call(`${PATH}${query}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    });
  const slow = () =>
    submit('', { ...QUICK, duration: 20, resolution: '1080p' }).then((r) => r.json() as Json);

  it('a query is held until the task has finished, not until its status changes', async () => {
    const { task_id: id } = (await (await submit('')).json()) as Json;
    const { body } = await t.json(`${PATH}/${id}?wait=60`);
    expect(body).toMatchObject({ task_id: id, status: 'succeeded' });
  });

  it('a submit is held, and answers with the video', async () => {
    const response = await submit('?wait=60');
    expect(response.status).toBe(200);
    const id = response.headers.get('onetake-task-id');
    expect(response.headers.get('location')).toBe(`${PATH}/${id}`);
    expect(response.headers.get('preference-applied')).toBeNull();
    const task = (await response.json()) as Json;
    expect(task).toMatchObject({ task_id: id, status: 'succeeded', model: QUICK.model });
    expect((await fetch(task.url)).status).toBe(200);
  });

  it('the headers of a held submit come once the task is stored, long before the body', async () => {
    const response = await submit('?wait=60', { ...QUICK, duration: 20, resolution: '1080p' });
    const id = response.headers.get('onetake-task-id');
    const { body } = await t.json(`${PATH}/${id}`);
    expect(['queued', 'in_progress']).toContain(body.status);
    await t.call(`${PATH}/${id}/cancel`, { method: 'POST' });
    expect(await response.json()).toMatchObject({ task_id: id, status: 'failed', error: { code: 499 } });
  });

  it('a held submit that runs out of time answers with the task as it is', async () => {
    const response = await submit('?wait=0.2', { ...QUICK, duration: 20, resolution: '1080p' });
    const task = (await response.json()) as Json;
    expect(['queued', 'in_progress']).toContain(task.status);
    await t.call(`${PATH}/${task.task_id}/cancel`, { method: 'POST' });
  });

  it('a repeated submit waits for the task of the first', async () => {
    const headers = { 'idempotency-key': 'once' };
    const [one, two] = await Promise.all([submit('', QUICK, headers), submit('?wait=60', QUICK, headers)]);
    const [first, second] = [(await one.json()) as Json, (await two.json()) as Json];
    expect(second).toMatchObject({ task_id: first.task_id, status: 'succeeded' });
    const third = await submit('?wait=60', QUICK, headers);
    expect(third.headers.get('idempotent-replayed')).toBe('true');
    expect(await third.json()).toMatchObject({ task_id: first.task_id, status: 'succeeded' });
  });

  it('a repeated submit of a task that was deleted is a 410, held or not', async () => {
    const headers = { 'idempotency-key': 'deleted' };
    const { task_id: id } = (await (await submit('?wait=60', QUICK, headers)).json()) as Json;
    expect((await t.call(`${PATH}/${id}`, { method: 'DELETE' })).ok).toBe(true);
    expect((await t.call(`${PATH}/${id}`)).status).toBe(410);
    for (const query of ['?wait=20', '']) {
      const again = await submit(query, QUICK, headers);
      expect([query, again.status]).toEqual([query, 410]);
      expect(((await again.json()) as Json).error.message).toContain('use a new key');
    }
  });

  it('disconnecting cancels nothing', async () => {
    const held = request(new URL(`${PATH}?wait=60`, t.gateway.address), {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    });
    held.on('error', () => undefined);
    held.end(JSON.stringify(QUICK));
    const id = await new Promise((resolve) =>
      held.on('response', ({ headers }) => resolve(headers['onetake-task-id'])),
    );
    held.destroy();
    const { body } = await t.json(`${PATH}/${id}?wait=60`);
    expect(body.status).toBe('succeeded');
  });

  it('Preference-Applied confirms a preference, on a query and on a submit', async () => {
    const asked = { prefer: 'respond-async, wait=60' };
    const submitted = await submit('', QUICK, asked);
    expect(submitted.headers.get('preference-applied')).toBe('wait=60');
    const { task_id: id, status } = (await submitted.json()) as Json;
    expect(status).toBe('succeeded');
    const queried = await t.call(`${PATH}/${id}`, { headers: asked });
    expect(queried.headers.get('preference-applied')).toBe('wait=60');
  });

  it('Preference-Applied says how long it is, if the preference was longer than possible', async () => {
    const asked = { prefer: 'wait=86400' };
    const submitted = await submit('', QUICK, asked);
    expect(submitted.status).toBe(200);
    expect(submitted.headers.get('preference-applied')).toBe('wait=60');
    const { task_id: id } = (await submitted.json()) as Json;
    const queried = await t.call(`${PATH}/${id}`, { headers: asked });
    expect(queried.headers.get('preference-applied')).toBe('wait=60');
  });

  it('wait_for=change holds a submit until the task is no longer queued', async () => {
    const task = (await (await submit('?wait=60&wait_for=change')).json()) as Json;
    expect(task.status).not.toBe('queued');
  });

  it.each([
    ['?wait=61', {}, 'wait', /to 60\b/],
    ['?wait=soon', {}, 'wait', /number/],
    ['?wait=10&wait_for=luck', {}, 'wait_for', /"finished"/],
    ['?wait_for=change', {}, 'wait_for', /how long/],
  ] as const)(
    '%s %j is refused by a submit and a query, and nothing is accepted',
    async (query, headers, param, message) => {
      const before = (await t.json(`${PATH}?limit=100`)).body.data.length;
      const { task_id: id } = await slow();
      for (const response of [
        await submit(query, QUICK, headers),
        await t.call(`${PATH}/${id}${query}`, { headers }),
      ]) {
        expect(response.status).toBe(400);
        const { error } = (await response.json()) as Json;
        expect(error.param).toBe(param);
        expect(error.message).toMatch(message);
      }
      await t.call(`${PATH}/${id}/cancel`, { method: 'POST' });
      expect((await t.json(`${PATH}?limit=100`)).body.data).toHaveLength(before + 1);
    },
  );

  it('a stop of the gateway answers a held submit with the task', async () => {
    const held = request(new URL(`${PATH}?wait=60`, t.gateway.address), {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    });
    held.end(JSON.stringify({ ...QUICK, duration: 20, resolution: '1080p' }));
    const response = await new Promise<Parameters<typeof text>[0] & { headers: Json }>((resolve) =>
      held.on('response', resolve),
    );
    const closed = t.gateway.close();
    const task = JSON.parse(await text(response));
    expect(task.task_id).toBe(response.headers['onetake-task-id']);
    expect(['queued', 'in_progress']).toContain(task.status);
    await closed;
  });
});
