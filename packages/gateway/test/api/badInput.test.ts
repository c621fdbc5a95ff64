import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ErrorAnswer } from '../../src/api/schemas.ts';
import { QUICK, startTestGateway, type TestGateway } from '../support/gateway.ts';

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

describe('a bad submit gets a clear 4xx, and nothing is accepted', () => {
  it.each<[string, unknown, number, RegExp]>([
    ['broken JSON', '{"model":', 400, /not valid JSON/],
    ['an empty body', '', 400, /empty/],
    ['bad UTF-8', INVALID_UTF8, 400, /UTF-8/],
    [
      'a body over the limit',
      JSON.stringify({ ...QUICK, prompt: 'x'.repeat(2 ** 20) }),
      413,
      /ONETAKE_BODY_LIMIT_MB/,
    ],
    ['an array', [QUICK], 400, /object/],
    ['null', 'null', 400, /object/],
    [
      'a prototype trick',
      '{"__proto__": {"admin": true}, "model": "onetake-preview", "prompt": "x"}',
      400,
      /./,
    ],
    ['no model', { prompt: 'x' }, 400, /model/],
    ['no prompt', { model: 'onetake-preview' }, 400, /prompt/],
    ['a prompt that is a number', { ...QUICK, prompt: 7 }, 400, /prompt/],
    ['an unknown model', { ...QUICK, model: 'onetake-prevew' }, 400, /onetake-preview/],
    ['a misspelt field', { ...QUICK, resolutoin: '720p' }, 400, /resolution/],
    ['an unsupported duration', { ...QUICK, duration: 21 }, 400, /duration/],
    ['a contradiction', { ...QUICK, size: '1280x720', aspect_ratio: '9:16' }, 400, /size|aspect_ratio/],
    ['a huge prompt', { ...QUICK, prompt: 'x'.repeat(100_000) }, 400, /prompt/],
    ['metadata that is no mapping', { ...QUICK, metadata: 'x' }, 400, /metadata/],
    ['an image at a private address', { ...QUICK, image: 'http://127.0.0.1:1/x.png' }, 400, /image/],
    ['an image at the metadata service', { ...QUICK, image: 'http://169.254.169.254/latest/' }, 400, /image/],
    ['an image in another scheme', { ...QUICK, image: 'file:///etc/passwd' }, 400, /image/],
    [
      'an image that is none',
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

  it('another content type is a 415', async () => {
    const { status, body } = await t.submit('model=x', {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(status).toBe(415);
    expect(body.error.message).toMatch(/application\/json/);
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
  ])('%s is a 404', async (id) => {
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

  it('an unknown path is a 404 that points to the documentation', async () => {
    const { status, body } = await t.json('/v1/nothing');
    expect(status).toBe(404);
    expect(body.error.message).toContain('/docs');
  });

  it.each(['wait=abc', 'wait=-1', 'wait=3600'])('%s is a 400', async (query) => {
    const { status, body } = await t.json(`/v1/video/generations/video_${'0'.repeat(32)}?${query}`);
    expect(status).toBe(400);
    expect(body.error.param).toBe('wait');
  });

  it.each(['limit=0', 'limit=1000', 'status=done', 'after=x', 'color=red', 'metadata=x'])(
    'a list by %s is a 400',
    async (query) => {
      expect((await t.json(`/v1/video/generations?${query}`)).status).toBe(400);
    },
  );
});

describe('keys', () => {
  it.each([
    [null, /Authorization/],
    ['', /Bearer/],
    ['sk-nonsense', /does not exist/],
  ])('%s is a 401 that says what to send', async (key, message) => {
    const { status, headers, body } = await t.json('/v1/models', { key });
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toMatch(/^Bearer/);
    expect(ErrorAnswer.parse(body).error.message).toMatch(message);
  });
});
