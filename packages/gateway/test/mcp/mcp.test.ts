import { setTimeout as sleep } from 'node:timers/promises';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CallApi } from '../../src/mcp/api.ts';
import { KEY, QUICK, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { CLI } from '../support/processes/commandLine.ts';
import { connected, ERAS, EVERY_WAY, toolsOver, WAYS } from './clients.ts';

const ID = `video_${'0'.repeat(32)}`;
async function started(): Promise<TestGateway> {
  const t = await startTestGateway();
  onTestFinished(() => t.end());
  return t;
}

describe.each(EVERY_WAY)('the tools at %s', (way) => {
  it.each(ERAS)('make a video, with a link and its poster, for a client of the era %s', async (era) => {
    const t = await started();
    const client = await connected(WAYS[way](t), era);
    expect(client.getServerVersion()?.name).toBe('onetake');
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual([
      'list_models',
      'generate_video',
      'get_video',
      'list_videos',
      'cancel_video',
    ]);
    for (const { inputSchema, outputSchema, annotations, description } of tools)
      expect([inputSchema, outputSchema, annotations, description]).not.toContain(undefined);

    const progress: unknown[] = [];
    const made = await client.callTool(
      { name: 'generate_video', arguments: { ...QUICK, metadata: { by: 'agent' } } },
      { onprogress: (told) => progress.push(told) },
    );
    expect(made.isError).toBeFalsy();
    expect(made.structuredContent).toMatchObject({ status: 'succeeded', metadata: { by: 'agent' } });
    const [text, link, poster] = made.content;
    expect(text).toMatchObject({ type: 'text', text: expect.stringMatching(/has succeeded: http/) });
    expect(link).toMatchObject({ type: 'resource_link', mimeType: 'video/mp4' });
    expect(poster).toMatchObject({ type: 'image', mimeType: 'image/jpeg' });
    if (link?.type !== 'resource_link') throw new Error('no link');
    expect((await fetch(link.uri)).status).toBe(200);

    const { task_id: id } = made.structuredContent as { task_id: string };
    const again = await client.callTool({ name: 'get_video', arguments: { task_id: id } });
    expect(again.structuredContent).toMatchObject({ task_id: id, status: 'succeeded' });
    const listed = await client.callTool({
      name: 'list_videos',
      arguments: { status: 'succeeded', limit: 1 },
    });
    expect(listed.structuredContent).toMatchObject({ data: [{ task_id: id }], has_more: false });
  });

  it('answer before the video is done, and the task can be cancelled', async () => {
    const t = await started();
    const client = await connected(WAYS[way](t));
    const arguments_ = { ...QUICK, duration: 20, resolution: '1080p', wait_seconds: 0 };
    const begun = await client.callTool({ name: 'generate_video', arguments: arguments_ });
    expect(begun.content).toEqual([{ type: 'text', text: expect.stringMatching(/call get_video/) }]);
    const { task_id: id } = begun.structuredContent as { task_id: string };
    await client.callTool({ name: 'cancel_video', arguments: { task_id: id } });
    const ended = await client.callTool({ name: 'get_video', arguments: { task_id: id, wait_seconds: 50 } });
    expect(ended).toMatchObject({
      isError: true,
      structuredContent: { status: 'failed', error: { code: 499 } },
    });
  });

  it('make one task of two calls with one idempotency key', async () => {
    const t = await started();
    const client = await connected(WAYS[way](t));
    const call = {
      name: 'generate_video',
      arguments: { ...QUICK, idempotency_key: 'once', wait_seconds: 0 },
    };
    const ids = [];
    for (const { structuredContent } of [await client.callTool(call), await client.callTool(call)])
      ids.push((structuredContent as { task_id: string }).task_id);
    expect(ids[1]).toBe(ids[0]);
  });

  it('say what is wrong with a call, so that the agent can mend it', async () => {
    const t = await started();
    const client = await connected(WAYS[way](t));
    const refused = async (name: string, arguments_: Record<string, unknown>) => {
      const { isError, content } = await client.callTool({ name, arguments: arguments_ });
      expect(isError).toBe(true);
      return content[0]?.type === 'text' ? content[0].text : undefined;
    };
    expect(await refused('generate_video', { ...QUICK, colour: 'red' })).toMatch(
      /There is no argument "colour"\. Accepted: model, prompt, .* and idempotency_key\.$/,
    );
    expect(await refused('generate_video', { ...QUICK, wait: 5, quality: 'high' })).toMatch(
      /"wait": did you mean wait_seconds\? There is no argument "quality": did you mean resolution\?/,
    );
    expect(await refused('generate_video', { ...QUICK, duration: 'long' })).toMatch(/duration: .*number/);
    expect(await refused('generate_video', { ...QUICK, duration: 7000 })).toMatch(/duration/);
    expect(await refused('get_video', { task_id: ID, wait_second: 1 })).toMatch(
      /"wait_second": did you mean wait_seconds\? Accepted: task_id and wait_seconds\.$/,
    );
    expect(await refused('get_video', { task_id: 'video_1' })).toMatch(/task_id: must be a task_id/);
    expect(await refused('get_video', { task_id: ID, wait_seconds: 600 })).toMatch(/wait_seconds: .*50/);
    expect(await refused('get_video', { task_id: ID })).toMatch(/no such|not found|no task/i);
    expect(await refused('list_videos', { page: 2 })).toMatch(
      /"page"\. Accepted: status, model, limit and after\.$/,
    );
    expect(await refused('list_videos', { status: 'done' })).toMatch(/status: .*"queued".*"failed"/);
    expect(await refused('list_models', { name: 'veo' })).toMatch(
      /Accepted: model and include_unavailable\.$/,
    );
    expect(await refused('generate_video', { prompt: 'p' })).toMatch(
      /model is missing; give an id from list_models\./,
    );
    expect(await refused('generate_video', { model: 'm' })).toMatch(/prompt is missing/);
    const advice = /list_models, called without model, lists (?:them|the ids)\.$/;
    expect(await refused('list_models', { model: 'gpt-7' })).toMatch(advice);
    expect(await refused('generate_video', { model: 'gpt-7', prompt: 'p' })).toMatch(advice);
    expect(await refused('cancel_video', { id: ID })).toMatch(/task_id: .*"id"\. Accepted: task_id\.$/s);
  });

  it('list the models in a few words, and one with everything', async () => {
    const t = await started();
    const client = await connected(WAYS[way](t));
    const models = async (arguments_: object) => {
      const { structuredContent } = await client.callTool({
        name: 'list_models',
        arguments: { ...arguments_ },
      });
      return (structuredContent as { models: { id: string; available: boolean }[] }).models;
    };
    const usable = await models({});
    expect(usable.map(({ id }) => id)).toContain('onetake-preview');
    expect(usable.every(({ available }) => available)).toBe(true);
    expect((await models({ include_unavailable: true })).length).toBeGreaterThan(usable.length);
    expect(await models({ model: 'onetake-preview' })).toMatchObject([{ id: 'onetake-preview', rules: [] }]);
  });
});

describe('/mcp', () => {
  const ping = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
  const post = (t: TestGateway, headers: Record<string, string>, key: string | null = KEY) =>
    t.call('/mcp', {
      method: 'POST',
      key,
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers,
      },
      body: JSON.stringify(ping),
    });

  it('needs a valid key', async () => {
    const t = await started();
    expect((await post(t, {}, null)).status).toBe(401);
    expect((await post(t, {}, 'sk-wrong')).status).toBe(401);
    await expect(connected(WAYS['/mcp'](t, 'sk-wrong'))).rejects.toThrow();
    expect((await post(t, {})).status).toBe(200);
  });

  it('answers a call that waits when the gateway stops, which holds nothing up', async () => {
    const t = await startTestGateway();
    const client = await connected(WAYS['/mcp'](t));
    const arguments_ = { ...QUICK, duration: 20, resolution: '1080p' };
    const waiting = client.callTool({ name: 'generate_video', arguments: arguments_ });
    while ((await t.json('/v1/video/generations')).body.data.length === 0) await sleep(20);
    await t.end();
    const answer = await waiting;
    expect(answer.structuredContent).toMatchObject({ task_id: expect.stringMatching(/^video_/) });
    expect(answer.content).toEqual([{ type: 'text', text: expect.stringMatching(/call get_video/) }]);
  });

  it('is not for the pages of other sites', async () => {
    const t = await started();
    expect((await post(t, { origin: 'https://evil.example' })).status).toBe(403);
    expect((await post(t, { origin: 'null' })).status).toBe(403);
    // Its name leads here: DNS rebinding.
    expect((await post(t, { origin: 'http://evil.example', host: 'evil.example' })).status).toBe(403);
    expect((await post(t, { origin: new URL(t.gateway.address).origin })).status).toBe(200);
  });

  it('uses the key of the client, which sees only the tasks of its project', async () => {
    const t = await started();
    const { task_id: id } = await t.finished();
    const { body } = await t.json('/v1/admin/keys', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'other', project: 'other' }),
    });
    const other = await connected(WAYS['/mcp'](t, body.key));
    expect((await other.callTool({ name: 'get_video', arguments: { task_id: id } })).isError).toBe(true);
    const { structuredContent } = await other.callTool({ name: 'list_videos', arguments: {} });
    expect(structuredContent).toMatchObject({ data: [] });
  });
});

it('a gateway that is down is said to be, with what to do, and nothing was submitted', async () => {
  const args = [CLI, 'mcp', '--url', 'http://127.0.0.1:1'];
  const env = { ONETAKE_API_KEY: KEY };
  const client = await connected(new StdioClientTransport({ command: process.execPath, args, env }));
  for (const name of ['list_models', 'list_videos', 'generate_video']) {
    const arguments_ = name === 'generate_video' ? QUICK : {};
    const { isError, content } = await client.callTool({ name, arguments: { ...arguments_ } });
    expect(isError).toBe(true);
    expect(content[0]).toMatchObject({
      text: expect.stringMatching(
        /^http:\S+ could not be reached \(ECONNREFUSED\)\. Check --url .*serve\)\.$/,
      ),
    });
  }
});

it('a poster that is not made yet is waited for', async () => {
  const answers = [{ status: 409 }, { status: 200 }];
  const call: CallApi = async ({ path }) =>
    path.includes('thumbnail')
      ? { status: answers.shift()?.status ?? 500, contentType: 'image/jpeg', bytes: Buffer.from('poster') }
      : {
          status: 200,
          contentType: 'application/json',
          bytes: Buffer.from(JSON.stringify({ task_id: ID, status: 'succeeded', url: 'http://x/' })),
        };
  const client = await connected(toolsOver(call));
  const { content } = await client.callTool({ name: 'get_video', arguments: { task_id: ID } });
  expect(content[2]).toEqual({
    type: 'image',
    mimeType: 'image/jpeg',
    data: Buffer.from('poster').toString('base64'),
  });
});

describe('a video that was submitted', () => {
  it('is named although its state cannot be read, so that it is not paid for twice', async () => {
    const call: CallApi = async ({ method }) => {
      if (method === 'GET') throw new Error('the connection broke');
      return {
        status: 200,
        contentType: 'application/json',
        bytes: Buffer.from(JSON.stringify({ task_id: ID })),
      };
    };
    const client = await connected(toolsOver(call));
    const answer = await client.callTool({ name: 'generate_video', arguments: { model: 'm', prompt: 'p' } });
    expect(answer).toMatchObject({
      structuredContent: { task_id: ID },
      content: [
        { type: 'text', text: expect.stringMatching(/the connection broke.*Do not submit it again/) },
      ],
    });
    expect(answer.isError).toBeFalsy();
  });

  it.each<[string, CallApi]>([
    [
      'without an answer',
      async () => {
        throw new Error('the connection broke');
      },
    ],
    [
      'with the error of a proxy',
      async () => ({ status: 504, contentType: 'text/html', bytes: Buffer.from('<h1>504</h1>') }),
    ],
  ])('perhaps, %s, is found by a call with the key that the answer names', async (_how, fail) => {
    const keys: (string | undefined)[] = [];
    let fails = true;
    const call: CallApi = async (request) => {
      if (request.method === 'POST') keys.push(request.idempotencyKey);
      if (fails) return fail(request);
      const bytes = Buffer.from(JSON.stringify({ task_id: ID, status: 'queued' }));
      return { status: 200, contentType: 'application/json', bytes };
    };
    const client = await connected(toolsOver(call));
    const arguments_ = { model: 'm', prompt: 'p', wait_seconds: 0 };
    const lost = await client.callTool({ name: 'generate_video', arguments: arguments_ });
    expect(lost.isError).toBe(true);
    const [, key] = /idempotency_key (\S+):/.exec(JSON.stringify(lost.content)) ?? [];
    expect(key).toBe(keys[0]);
    fails = false;
    const again = await client.callTool({
      name: 'generate_video',
      arguments: { ...arguments_, idempotency_key: key },
    });
    expect(again.structuredContent).toMatchObject({ task_id: ID });
    expect(keys).toEqual([key, key]);
  });
});
