import { describe, expect, it, onTestFinished } from 'vitest';
import type { CallApi } from '../../src/mcp/api.ts';
import { QUICK, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { freshDatabase } from '../support/servers/database.ts';
import { tempFolder } from '../support/tempFolder.ts';
import { connected, EVERY_WAY, type Send, taskClient, toolsOver, WAYS } from './clients.ts';

/** Takes longer than a test needs to look at it. */
const LONG = { ...QUICK, duration: 20, resolution: '1080p' };
const NOBODY = `video_${'0'.repeat(32)}`;

async function started(dataDir?: string): Promise<TestGateway> {
  const t = await startTestGateway({}, dataDir === undefined ? {} : { dataDir });
  onTestFinished(() => t.end());
  return t;
}

async function generate(send: Send, body: object): Promise<string> {
  const { result, error } = await send('tools/call', { name: 'generate_video', arguments: body });
  expect(error).toBeUndefined();
  expect(result).toMatchObject({
    resultType: 'task',
    taskId: expect.stringMatching(/^video_[0-9a-f]{32}$/),
    status: 'working',
    statusMessage: expect.stringMatching(/^(queued|in_progress)/),
    createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    lastUpdatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    ttlMs: null,
    pollIntervalMs: expect.any(Number),
  });
  return result.taskId;
}

/** How a task has ended, for a client of the extension. */
async function settled({ json }: TestGateway, send: Send, taskId: string) {
  for (;;) {
    const { result, error } = await send('tasks/get', { taskId });
    if (error) throw new Error(error.message);
    expect(result).toMatchObject({ resultType: 'complete', taskId });
    if (result.status !== 'working') return result;
    await json(`/v1/video/generations/${taskId}?wait=60`);
  }
}

describe.each(EVERY_WAY)('the extension for tasks at %s', (way) => {
  it('gives the handle of a task, which ends with the result of the tool', async () => {
    const t = await started();
    const { client, send } = await taskClient(WAYS[way](t));
    expect(client.getServerCapabilities()).toMatchObject({
      extensions: { 'io.modelcontextprotocol/tasks': {} },
    });
    const body = { ...QUICK, idempotency_key: 'once' };
    const taskId = await generate(send, body);
    expect((await t.json(`/v1/video/generations/${taskId}`)).body).toMatchObject({ task_id: taskId });
    const { status, ttlMs, pollIntervalMs, result } = await settled(t, send, taskId);
    expect({ status, poll: pollIntervalMs }).toEqual({ status: 'completed' });
    expect(ttlMs).toBeGreaterThan(0);
    expect(result).toMatchObject({
      resultType: 'complete',
      content: [
        { type: 'text', text: expect.stringMatching(/has succeeded/) },
        { type: 'resource_link', mimeType: 'video/mp4' },
        { type: 'image', mimeType: 'image/jpeg' },
      ],
      structuredContent: { task_id: taskId, status: 'succeeded' },
    });
    // A task that has finished needs no handle.
    const again = await send('tools/call', { name: 'generate_video', arguments: body });
    expect(again.result).toMatchObject({ resultType: 'complete', structuredContent: { task_id: taskId } });
  });

  it('cancels a task, once or twice', async () => {
    const t = await started();
    const { send } = await taskClient(WAYS[way](t));
    const taskId = await generate(send, LONG);
    const update = await send('tasks/update', { taskId, inputResponses: { nobody: { asked: true } } });
    expect(update.result).toMatchObject({ resultType: 'complete' });
    for (let time = 0; time < 2; time++) {
      const { result, error } = await send('tasks/cancel', { taskId });
      expect(error).toBeUndefined();
      expect(Object.keys(result).sort()).toEqual(['_meta', 'resultType']);
      expect(await settled(t, send, taskId)).toMatchObject({ status: 'cancelled' });
    }
  });

  it('goes on after a restart of the gateway, with the same id', async () => {
    const dataDir = await tempFolder();
    const before = await startTestGateway({}, { dataDir });
    const taskId = await generate((await taskClient(WAYS[way](before))).send, { ...QUICK, duration: 5 });
    await before.end();
    const after = await started(dataDir);
    const { send } = await taskClient(WAYS[way](after));
    expect(await settled(after, send, taskId)).toMatchObject({
      status: 'completed',
      result: { structuredContent: { task_id: taskId, status: 'succeeded' } },
    });
  });

  it('knows no task of another project, and no other methods', async () => {
    const t = await started();
    const { send } = await taskClient(WAYS[way](t));
    const taskId = await generate(send, LONG);
    const { body } = await t.json('/v1/admin/keys', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'other', project: 'other' }),
    });
    const { send: other } = await taskClient(WAYS[way](t, body.key));
    const params = { taskId, inputResponses: {} };
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
      expect((await other(method, params)).error, method).toMatchObject({ code: -32602 });
      for (const nobody of [NOBODY, '..', 'video_1'])
        expect((await send(method, { ...params, taskId: nobody })).error, method).toMatchObject({
          code: -32602,
        });
    }
    expect((await send('tasks/update', { taskId })).error).toMatchObject({ code: -32602 });
    for (const method of ['tasks/list', 'tasks/result'])
      expect((await send(method, params)).error, method).toMatchObject({ code: -32601 });
    expect((await send('tasks/get', { taskId })).result).toMatchObject({ status: 'working' });
  });

  it('is only for requests that declare it, and not for the protocol of 2025', async () => {
    const t = await started();
    const { send } = await taskClient(WAYS[way](t));
    const taskId = await generate(send, LONG);
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel'])
      expect((await send(method, { taskId, inputResponses: {} }, {})).error).toMatchObject({
        code: -32021,
        message: expect.stringContaining('io.modelcontextprotocol/tasks'),
        data: { requiredCapabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } } },
      });
    const call = { name: 'generate_video', arguments: { ...LONG, wait_seconds: 0 } };
    const { result } = await send('tools/call', call, {});
    expect(result).toMatchObject({ resultType: 'complete', structuredContent: { status: 'queued' } });

    const legacy = await connected(WAYS[way](t), 'legacy', {
      extensions: { 'io.modelcontextprotocol/tasks': {} },
    });
    expect(legacy.getServerCapabilities()).toEqual({ tools: { listChanged: true } });
    expect((await legacy.callTool(call)).structuredContent).toMatchObject({ status: 'queued' });
  });
});

it('the handle of a task is valid at another node', async () => {
  const settings = { ONETAKE_DATABASE_URL: await freshDatabase() };
  const [one, two] = [await startTestGateway(settings), await startTestGateway(settings)];
  onTestFinished(async () => {
    await Promise.all([one.end(), two.end()]);
  });
  const taskId = await generate((await taskClient(WAYS['/mcp'](one))).send, LONG);
  const { send } = await taskClient(WAYS['/mcp'](two));
  expect((await send('tasks/get', { taskId })).result).toMatchObject({ taskId, status: 'working' });
  expect((await send('tasks/cancel', { taskId })).result).toMatchObject({ resultType: 'complete' });
  expect(await settled(two, send, taskId)).toMatchObject({ status: 'cancelled' });
});

describe('a task that does not end as hoped', () => {
  const answer = (status: number, body: object) => ({
    status,
    contentType: 'application/json',
    bytes: Buffer.from(JSON.stringify(body)),
  });
  const refusal = (status: number) => answer(status, { error: { message: `refused with ${status}` } });
  const sendOver = async (call: CallApi) => (await taskClient(toolsOver(call))).send;

  it('has the error of a video that failed as its result, for the protocol has not failed', async () => {
    const error = { code: 400, message: 'The prompt was refused.', reason: 'content_policy' };
    const send = await sendOver(async () =>
      answer(200, { task_id: NOBODY, status: 'failed', error, created_at: 10, completed_at: 20 }),
    );
    const { result } = await send('tasks/get', { taskId: NOBODY });
    expect(result).toMatchObject({
      status: 'completed',
      createdAt: '1970-01-01T00:00:10.000Z',
      lastUpdatedAt: '1970-01-01T00:00:20.000Z',
      result: { isError: true, content: [{ text: expect.stringContaining('The prompt was refused.') }] },
    });
  });

  it('is still handed over if its state cannot be read, because it is paid for', async () => {
    const send = await sendOver(async ({ method }) => {
      if (method === 'GET') throw new Error('the connection broke');
      return answer(200, { task_id: NOBODY, status: 'queued', created_at: 10 });
    });
    const call = { name: 'generate_video', arguments: { model: 'm', prompt: 'p' } };
    expect((await send('tools/call', call)).result).toMatchObject({ resultType: 'task', taskId: NOBODY });
    expect((await send('tasks/get', { taskId: NOBODY })).error).toEqual({
      code: -32603,
      message: 'the connection broke',
    });
  });

  it('says in the codes of the protocol what the gateway refuses', async () => {
    for (const [status, code] of [
      [403, -32600],
      [404, -32602],
      [410, -32602],
      [429, -32603],
      [503, -32603],
    ] as const) {
      const send = await sendOver(async () => refusal(status));
      const { error } = await send('tasks/get', { taskId: NOBODY });
      expect(error).toMatchObject({ code, message: `refused with ${status}` });
    }
    // A video that its provider can no longer stop: the wish is heard, and the task goes on.
    const send = await sendOver(async () => refusal(409));
    expect((await send('tasks/cancel', { taskId: NOBODY })).result).toMatchObject({ resultType: 'complete' });
  });
});
