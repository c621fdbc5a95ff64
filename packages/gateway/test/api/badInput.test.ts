import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ErrorAnswer } from '../../src/api/schemas.ts';
import { type Json, QUICK, startTestGateway, type TestGateway } from '../support/gateway.ts';

let t: TestGateway;
beforeAll(async () => {
  t = await startTestGateway({ ONETAKE_BODY_LIMIT_MB: '1' });
});
afterAll(() => t.end());

async function count(): Promise<number> {
  return (await t.json('/v1/video/generations?limit=100')).body.data.length;
}

const INVALID_UTF8 = Buffer.concat([
  Buffer.from('{"model":"onetake-preview","prompt":"'),
  Buffer.from([0xff, 0xfe, 0xc0]),
  Buffer.from('"}'),
]);

describe('a bad submission gets a clear 4xx, and no task is accepted', () => {
  it.each<[string, unknown, number, RegExp]>([
    ['broken JSON', '{"model":', 400, /not valid JSON: .*end/],
    ['an empty body', '', 400, /empty/],
    ['bad UTF-8', INVALID_UTF8, 400, /UTF-8/],
    [
      'a body over the limit',
      JSON.stringify({ ...QUICK, image: 'x'.repeat(2 ** 20) }),
      413,
      /ONETAKE_BODY_LIMIT_MB/,
    ],
    ['an array', [QUICK], 400, /object/],
    ['null', 'null', 400, /object/],
    [
      'prototype pollution',
      '{"__proto__": {"admin": true}, "model": "onetake-preview", "prompt": "x"}',
      400,
      /__proto__/,
    ],
    ['no model', { prompt: 'x' }, 400, /model/],
    ['no prompt', { model: 'onetake-preview' }, 400, /prompt/],
    ['a prompt that is a number', { ...QUICK, prompt: 7 }, 400, /prompt/],
    ['an unknown model', { ...QUICK, model: 'onetake-prevew' }, 400, /onetake-preview/],
    ['a misspelt field', { ...QUICK, resolutoin: '720p' }, 400, /resolution/],
    [
      'a number that overflows',
      JSON.stringify(QUICK).replace(/}$/, ',"seconds":1e400}').replace('"duration":1,', ''),
      400,
      /Infinity/,
    ],
    ['an unsupported duration', { ...QUICK, duration: 21 }, 400, /duration/],
    ['a contradiction', { ...QUICK, size: '1280x720', aspect_ratio: '9:16' }, 400, /size|aspect_ratio/],
    ['a huge prompt', { ...QUICK, prompt: 'x'.repeat(100_000) }, 400, /prompt/],
    ['metadata that is not an object', { ...QUICK, metadata: 'x' }, 400, /metadata/],
    ['an image at a private address', { ...QUICK, image: 'http://127.0.0.1:1/x.png' }, 400, /image/],
    ['an image at the metadata service', { ...QUICK, image: 'http://169.254.169.254/latest/' }, 400, /image/],
    ['an image in another scheme', { ...QUICK, image: 'file:///etc/passwd' }, 400, /image/],
    [
      'data that is not an image',
      { ...QUICK, image: Buffer.from('hello, world').toString('base64') },
      400,
      /image/,
    ],
    ['a data URL of another type', { ...QUICK, image: 'data:text/html;base64,PGI+' }, 400, /image/],
  ])('%s', async (_name, body, expected, message) => {
    const before = await count();
    const { status, body: answer } = await t.submit(body);
    expect(status).toBe(expected);
    const { error } = ErrorAnswer.parse(answer);
    expect(error.code).toBe(expected);
    expect(error.message).toMatch(message);
    expect(await count()).toBe(before);
  });

  it.each([
    ['spaces of all kinds', ' \t\u00a0\u3000\u2003'],
    ['zero-width characters', '\u200b\u200c\u200d\ufeff\u2060'],
    ['control characters', '\u0001\u001b\u007f'],
    ['combining marks without a letter', '\u0301\u0308'],
    ['variation selectors', '\ufe0f\u{e0100}'],
    ['Hangul fillers', '\u115f\u1160\u3164\uffa0'],
    ['the empty Braille pattern', '\u2800'],
    ['directional marks', '\u202a\u202c\u200e\u2066'],
    ['a soft hyphen', '\u00ad'],
    ['tags', '\u{e0041}\u{e007f}'],
  ])('a prompt of %s shows nothing and counts as empty', async (_what, prompt) => {
    const { status, body } = await t.submit({ ...QUICK, prompt });
    expect([status, body.error.param]).toEqual([400, 'prompt']);
    expect(body.error.message).toMatch(/empty/);
  });

  it.each(['a', '.', '船', '🎬', 'é', '\u2801', '❤️'])('a prompt of %s is not empty', async (prompt) => {
    const { body } = await t.submit({ ...QUICK, prompt, duration: 21 });
    expect(body.error.param).toBe('duration');
  });

  it('another content type is answered with 415', async () => {
    const { status, body } = await t.submit('model=x', {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(status).toBe(415);
    expect(body.error.message).toMatch(/application\/json/);
  });
});

describe('a compressed body', () => {
  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ])('in %s is answered with 415 and the accepted encodings', async (coding, compress) => {
    const { status, headers, body } = await t.submit(compress(JSON.stringify(QUICK)), {
      headers: { 'content-encoding': coding },
    });
    expect([status, headers.get('accept-encoding')]).toEqual([415, 'identity']);
    expect(ErrorAnswer.parse(body).error.message).toContain('Content-Encoding');
  });

  it('with the encoding identity is read', async () => {
    const { body } = await t.submit('{}', { headers: { 'content-encoding': 'identity' } });
    expect(body.error.param).toBe('model');
  });
});

describe('ids and paths', () => {
  it.each([
    'video_123',
    'video_../../etc/passwd',
    '..%2f..%2fetc%2fpasswd',
    '%00',
    'video_019aa3c55bd97c8e8d4f1b2a3c4d5e6f',
    "video_' or 1=1 --",
    'x'.repeat(150),
  ])('%s is answered with 404', async (id) => {
    for (const path of ['', '/content', '/events']) {
      const { status, body } = await t.json(`/v1/video/generations/${encodeURIComponent(id)}${path}`);
      expect(status).toBe(404);
      ErrorAnswer.parse(body);
    }
  });

  it.each(['/media/..%2f..%2fonetake.db', '/media/x.mp4', '/media/x.mp4?expires=1&signature=x', '/media/x'])(
    '%s is refused',
    async (path) => {
      expect([403, 404, 410]).toContain((await t.call(path)).status);
    },
  );

  it.each<[string, string, number]>([
    ['a path that cannot be decoded', '/v1/video/generations/%zz', 400],
    ['an id longer than any', `/v1/video/generations/${'x'.repeat(300)}`, 404],
  ])('%s is refused with the documented error', async (_what, path, expected) => {
    const { status, headers, body } = await t.json(path);
    expect(status).toBe(expected);
    expect(headers.get('x-request-id')).toBe(ErrorAnswer.parse(body).error.request_id);
  });

  it.each([404, 410])('a %i is stored by no cache', async (expected) => {
    const { task_id } = await t.finished();
    const path = `/v1/video/generations/${expected === 404 ? `video_${'0'.repeat(32)}` : task_id}`;
    if (expected === 410) await t.call(path, { method: 'DELETE' });
    const { status, headers } = await t.json(path);
    expect([status, headers.get('cache-control')]).toEqual([expected, 'no-store']);
  });

  it('a request that needs no body may still have a content type', async () => {
    const { task_id } = await t.finished();
    const init = { headers: { 'content-type': 'application/json' } };
    const path = `/v1/video/generations/${task_id}`;
    expect((await t.call(`${path}/cancel`, { method: 'POST', ...init })).status).toBe(409);
    expect((await t.call(path, { method: 'DELETE', ...init })).status).toBe(200);
  });

  it('an unknown path is answered with 404 and a link to the documentation', async () => {
    const { status, body } = await t.json('/v1/nothing');
    expect(status).toBe(404);
    expect(body.error.message).toContain('/docs');
  });

  it.each([
    [
      '/v1/video/generations/download',
      /^id is not valid: expected a task id, such as video_019aa3c55bd97c8e8d4f1b2a3c4d5e6f\.$/,
    ],
    ...['limit=101', 'limit=0', 'limit=ten', 'limit=1.5', 'limit=1&limit=2'].map(
      (query): [string, RegExp] => [
        `/v1/video/generations?${query}`,
        /^limit is not valid: expected a whole number from 1 to 100, such as 20\.$/,
      ],
    ),
    ...['wait=abc', 'wait=-1', 'wait=61'].map((query): [string, RegExp] => [
      `/v1/video/generations/video_${'0'.repeat(32)}?${query}`,
      /^wait is not valid: expected a number from 0 to 60, such as 30; to wait longer, ask again\.$/,
    ]),
    [
      '/v1/video/generations?model=',
      /^model is not valid: expected the id of a model, such as onetake-preview\.$/,
    ],
    [
      '/v1/video/generations/download?id=x&variant=gif',
      /^variant is not valid: expected one of "video", "thumbnail", "spritesheet"\.$/,
    ],
    [
      '/v1/video/generations?status=done',
      /^status is not valid: expected one of "queued", "in_progress", "succeeded", "failed"\.$/,
    ],
  ])('%s is answered with a message that says what to do', async (path, message) => {
    expect((await t.json(path)).body.error.message).toMatch(message);
  });

  it.each(['wait=abc', 'wait=-1', 'wait=3600'])('%s is answered with 400', async (query) => {
    const { status, body } = await t.json(`/v1/video/generations/video_${'0'.repeat(32)}?${query}`);
    expect(status).toBe(400);
    expect(body.error.param).toBe('wait');
  });

  it.each([
    'limit=0',
    'limit=1000',
    'status=done',
    'after=x',
    'color=red',
    'metadata=x',
    'metadata[]=x',
    'metadata[',
    'metadata[a]=1&metadata[a]=2',
    `metadata[${'x'.repeat(65)}]=1`,
    '__proto__=x',
    'constructor=x',
    'metadata[a]=%00',
    'model=%00',
  ])('a list by %s is answered with 400', async (query) => {
    expect((await t.json(`/v1/video/generations?${query}`)).status).toBe(400);
  });
});

describe('a list by metadata', () => {
  it.each(['a.b', 'a[b]', 'a]', '[', 'constructor', '"', "'", '\\', '$', '%', 'a&b=c', 'ключ', '🎬', ' '])(
    'finds only the task whose metadata key is %j',
    async (name) => {
      const metadata = Object.fromEntries([[name, 'here']]);
      const { task_id } = (await t.submit(JSON.stringify({ ...QUICK, duration: 1, metadata }))).body;
      const list = async (query: string) =>
        (await t.json(`/v1/video/generations?${query}`)).body.data.map((task: Json) => task.task_id);
      const encoded = encodeURIComponent(name);
      expect(await list(`metadata[${encoded}]=here`)).toEqual([task_id]);
      expect(await list(`metadata%5B${encoded}%5D=here`)).toEqual([task_id]);
      expect(await list(`metadata[${encoded}]=there`)).toEqual([]);
      expect(await list(`metadata[${encoded}]=`)).toEqual([]);
    },
  );
});

it('a list by a key that no task can have is empty, not unfiltered', async () => {
  expect((await t.json('/v1/video/generations?metadata[__proto__]=x')).body.data).toEqual([]);
});

describe('API keys', () => {
  it.each(['/%761/models', '/%76%31/models/onetake-preview', '/v1/mode%6cs', '/%761/admin/keys'])(
    'are required however the path is written: %s',
    async (path) => {
      expect((await t.call(path, { key: null })).status).toBe(401);
      expect((await t.call(path)).status).toBe(200);
    },
  );

  it.each([
    [null, /Authorization/],
    ['', /Bearer/],
    ['sk-nonsense', /does not exist/],
  ])('%s is answered with 401 and what to send', async (key, message) => {
    const { status, headers, body } = await t.json('/v1/models', { key });
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toMatch(/^Bearer/);
    expect(ErrorAnswer.parse(body).error.message).toMatch(message);
  });
});
