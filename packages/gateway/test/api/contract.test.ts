import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DownloadAnswer, ErrorAnswer, SubmitAnswer, TaskAnswer, TaskList } from '../../src/api/schemas.ts';
import { PublicModel } from '../../src/catalogue/publicModel.ts';
import { type Json, QUICK, startTestGateway, type TestGateway } from '../support/gateway.ts';

let t: TestGateway;
let task: Json;

beforeAll(async () => {
  t = await startTestGateway();
  task = await t.finished({ metadata: { order: '42' } });
});
afterAll(() => t.end());

describe('submit', () => {
  it('answers with 200 and exactly the documented fields', async () => {
    const { status, body } = await t.submit(QUICK);
    expect(status).toBe(200);
    expect(Object.keys(body).sort()).toEqual(['created_at', 'format', 'model', 'status', 'task_id']);
    expect(SubmitAnswer.strict().parse(body)).toMatchObject({
      status: 'queued',
      format: 'mp4',
      model: 'onetake-preview',
    });
    expect(body.task_id).toMatch(/^video_[0-9a-f]{32}$/);
    expect(Math.abs(body.created_at - Date.now() / 1000)).toBeLessThan(60);
  });

  it('accepts the camelCase spellings that reference clients send', async () => {
    const { status } = await t.submit({
      model: 'onetake-preview',
      prompt: 'a kite',
      durationSeconds: '1',
      aspectRatio: '9:16',
      resolution: '480p',
      generateAudio: false,
    });
    expect(status).toBe(200);
  });

  it('repeats the first response for the same idempotency key, and refuses another body', async () => {
    const headers = { 'idempotency-key': 'order-42' };
    const first = await t.submit(QUICK, { headers });
    const again = await t.submit(QUICK, { headers });
    expect(again.body.task_id).toBe(first.body.task_id);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    const other = await t.submit({ ...QUICK, prompt: 'another' }, { headers });
    expect(other.status).toBe(422);
    expect(other.body.error.reason).toBe('idempotency_conflict');
  });
});

describe('query', () => {
  it('answers for a finished task with the documented fields', async () => {
    expect(TaskAnswer.strict().parse(task)).toMatchObject({
      status: 'succeeded',
      format: 'mp4',
      progress: 100,
      duration: 1,
      video_codec: 'h264',
      metadata: { order: '42' },
      usage: { cost: 0, currency: 'USD' },
    });
    expect(task.url).toMatch(/\/media\/.+\.mp4\?expires=\d+&signature=/);
    expect(task.completed_at).toBeGreaterThanOrEqual(task.created_at);
    expect(task.started_at).toBeGreaterThanOrEqual(task.created_at);
    expect(task.completed_at).toBeGreaterThanOrEqual(task.started_at);
    // The time for which it is kept begins with the end of the download, which follows the end of the render.
    const kept = task.expires_at - task.completed_at;
    expect(kept).toBeGreaterThanOrEqual(7 * 86_400);
    expect(kept).toBeLessThan(7 * 86_400 + 60);
  });

  it('says when to query again while the task is unfinished, and not after that', async () => {
    const { body } = await t.submit({ ...QUICK, duration: 4 });
    const unfinished = await t.json(`/v1/video/generations/${body.task_id}`);
    expect(['queued', 'in_progress']).toContain(unfinished.body.status);
    expect(Number(unfinished.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(unfinished.headers.get('cache-control')).toBe('no-store');
    const finished = await t.json(`/v1/video/generations/${task.task_id}`);
    expect(finished.headers.get('retry-after')).toBeNull();
  });

  it('answers its own ETag with 304', async () => {
    const first = await t.call(`/v1/video/generations/${task.task_id}`);
    const etag = first.headers.get('etag') ?? '';
    const again = await t.call(`/v1/video/generations/${task.task_id}`, {
      headers: { 'if-none-match': etag },
    });
    expect(again.status).toBe(304);
    expect(await again.text()).toBe('');
  });

  it('holds the response until the status changes', async () => {
    const { body } = await t.submit(QUICK);
    const statuses: string[] = [];
    for (let status = 'queued'; status !== 'succeeded'; ) {
      const held = await t.json(`/v1/video/generations/${body.task_id}?wait_for=change`, {
        headers: { prefer: 'wait=30' },
      });
      status = held.body.status;
      statuses.push(status);
    }
    // Each response waited for a change: one per status, not one per poll.
    expect(statuses.length).toBeLessThanOrEqual(3);
  });

  it('sends every change as an event until the task ends', async () => {
    const { body } = await t.submit(QUICK);
    const response = await t.call(`/v1/video/generations/${body.task_id}/events`);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const events = (await response.text())
      .split('\n')
      .filter((line) => line.startsWith('data: '))
      .map((line) => JSON.parse(line.slice('data: '.length)));
    for (const event of events) TaskAnswer.strict().parse(event);
    expect(events.at(-1)).toMatchObject({ task_id: body.task_id, status: 'succeeded' });
    const percents = events.map((event) => event.progress);
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
  });
});

describe('download', () => {
  it('returns the bytes as base64 in JSON, as the reference service does', async () => {
    const { body } = await t.json(`/v1/video/generations/download?id=${task.task_id}`);
    DownloadAnswer.strict().parse(body);
    const bytes = Buffer.from(body.base64, 'base64');
    expect(bytes.length).toBe(body.size);
    expect(body.data_url).toBe(`data:video/mp4;base64,${body.base64}`);
    const content = Buffer.from(
      await (await t.call(`/v1/video/generations/${task.task_id}/content`)).arrayBuffer(),
    );
    expect(bytes.equals(content)).toBe(true);
    expect(content.subarray(4, 8).toString()).toBe('ftyp');
  });

  it('returns the bytes themselves to clients that accept video/mp4', async () => {
    const response = await t.call(`/v1/video/generations/download?id=${task.task_id}`, {
      headers: { accept: 'video/mp4' },
    });
    expect(response.headers.get('content-type')).toBe('video/mp4');
    expect((await response.arrayBuffer()).byteLength).toBe(task.bytes);
  });

  it('returns JSON to clients that do not accept video/mp4', async () => {
    const { body } = await t.json(`/v1/video/generations/download?id=${task.task_id}`, {
      headers: { accept: 'video/mp4;q=0, */*' },
    });
    expect(body.size).toBe(task.bytes);
  });

  it('serves the link to anyone who has it, and refuses a changed link', async () => {
    expect((await fetch(task.url)).status).toBe(200);
    expect((await fetch(task.url.replace(/signature=./, 'signature=_'))).status).toBe(403);
    expect((await fetch(task.url.replace(/expires=\d+/, 'expires=9999999999'))).status).toBe(403);
  });

  it('answers with 409 and the status while there is no video', async () => {
    const { body } = await t.submit({ ...QUICK, duration: 4 });
    const { status, body: answer } = await t.json(`/v1/video/generations/${body.task_id}/content`);
    expect(status).toBe(409);
    expect(['queued', 'in_progress']).toContain(ErrorAnswer.parse(answer).error.status);
  });
});

describe('list', () => {
  it('is paged, newest first, and can be filtered', async () => {
    const all: string[] = [];
    for (let after = ''; ; ) {
      const { body } = await t.json(`/v1/video/generations?limit=2${after && `&after=${after}`}`);
      TaskList.parse(body);
      all.push(...body.data.map((item: Json) => item.task_id));
      if (!body.has_more) break;
      after = body.next_cursor;
    }
    expect(new Set(all).size).toBe(all.length);
    expect(all).toEqual([...all].sort().reverse());
    const { body } = await t.json(
      '/v1/video/generations?metadata[order]=42&status=succeeded&model=onetake-preview',
    );
    expect(body.data.map((item: Json) => item.task_id)).toEqual([task.task_id]);
    expect((await t.json('/v1/video/generations?metadata[order]=43')).body.data).toEqual([]);
  });
});

describe('cancel and delete', () => {
  it('cancels an unfinished task: failed, 499, and no video', async () => {
    const { body } = await t.submit({ ...QUICK, duration: 20 });
    const { status, body: cancelled } = await t.json(`/v1/video/generations/${body.task_id}/cancel`, {
      method: 'POST',
    });
    expect([200, 202]).toContain(status);
    const { body: ended } = await t.json(`/v1/video/generations/${body.task_id}?wait=10`);
    expect(ended).toMatchObject({ status: 'failed', error: { code: 499, reason: 'cancelled' } });
    expect(cancelled.task_id).toBe(body.task_id);
    const again = await t.json(`/v1/video/generations/${body.task_id}/cancel`, { method: 'POST' });
    expect(again.status).toBe(200);
  });

  it('does not cancel a succeeded task, but deletes it on request', async () => {
    const { task_id: id, url } = await t.finished();
    expect((await t.json(`/v1/video/generations/${id}/cancel`, { method: 'POST' })).status).toBe(409);
    const deleted = await t.json(`/v1/video/generations/${id}`, { method: 'DELETE' });
    expect(deleted.body).toEqual({ task_id: id, deleted: true });
    for (const path of ['', '/content']) {
      expect((await t.json(`/v1/video/generations/${id}${path}`)).status).toBe(410);
    }
    expect((await fetch(url)).status).toBe(410);
    const { body } = await t.json('/v1/video/generations?limit=100');
    expect(body.data.map((item: Json) => item.task_id)).not.toContain(id);
  });
});

describe('models', () => {
  it('lists every model with its parameters and its availability', async () => {
    const { body } = await t.json('/v1/models');
    for (const model of body.data) PublicModel.parse(model);
    const byId = new Map(body.data.map((model: Json) => [model.id, model]));
    expect(byId.get('onetake-preview')).toMatchObject({ available: true });
    expect(byId.get('sora-2')).toMatchObject({ available: false });
    expect((await t.json('/v1/models/onetake-preview')).body).toEqual(byId.get('onetake-preview'));
    expect((await t.json('/v1/models/nope')).status).toBe(404);
  });

  it('answers for a model without an account with 503 and the names of the settings', async () => {
    const { status, body } = await t.submit({ model: 'wan2.6-t2v', prompt: 'a cat' });
    expect(status).toBe(503);
    expect(body.error.message).toContain('DASHSCOPE_API_KEY');
  });
});
