import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Onetake } from '../src/client.ts';
import {
  ApiError,
  ConnectionError,
  InvalidRequestError,
  RateLimitError,
  ServerError,
} from '../src/errors.ts';
import { createHttp, type HttpOptions } from '../src/http.ts';
import { createTestTiming } from './support/timing.ts';

const REFUSED = {
  error: {
    code: 400,
    message: 'duration must be 4.',
    reason: 'invalid_request',
    param: 'duration',
    request_id: 'r-1',
  },
};

/** An HTTP client whose server answers as listed; a text stands for a failure of the network. */
function connect(answers: readonly (Response | string)[], options: Partial<HttpOptions> = {}) {
  const timing = createTestTiming();
  const sent: { url: string; init: RequestInit }[] = [];
  const http = createHttp(
    {
      baseUrl: 'https://video.example.com',
      apiKey: 'sk-1',
      fetch: async (url, init = {}) => {
        const answer = answers[sent.length];
        sent.push({ url: String(url), init });
        if (answer === undefined || typeof answer === 'string')
          throw new TypeError(answer ?? 'no more answers');
        return answer;
      },
      ...options,
    },
    timing,
  );
  return { http, sent, sleeps: timing.sleeps };
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers });

const failed = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => expect.unreachable('it should fail'),
    (error: unknown) => error,
  );

describe('where a call goes', () => {
  it.each([
    ['https://video.example.com', 'https://video.example.com/v1/models'],
    ['https://video.example.com/', 'https://video.example.com/v1/models'],
    ['https://video.example.com/v1', 'https://video.example.com/v1/models'],
    ['https://example.com/video/v1/', 'https://example.com/video/v1/models'],
  ])('the base URL may be %s', async (baseUrl, url) => {
    const { http, sent } = connect([json(200, {})], { baseUrl });
    await http.json({ path: '/v1/models' });
    expect(sent[0]?.url).toBe(url);
  });

  it('only the server gets the API key, and not where a video is stored', async () => {
    const { http, sent } = connect([json(200, {}), json(200, {})]);
    await http.json({ path: '/v1/models' });
    await http.json({ path: 'https://storage.example.com/video.mp4?signature=1' });
    expect(sent.map(({ init }) => new Headers(init.headers).get('authorization'))).toEqual([
      'Bearer sk-1',
      null,
    ]);
  });

  it('a wrong setting is told at once', () => {
    expect(() => connect([], { baseUrl: 'video.example.com' })).toThrow('baseUrl must be a URL');
    expect(() => connect([], { baseUrl: 'file:///v1' })).toThrow('baseUrl must begin with');
    expect(() => connect([], { apiKey: '' })).toThrow('apiKey is missing');
    for (const apiKey of ['sk-1\n', 'sk 1', 'sk-…'])
      expect(() => connect([], { apiKey })).toThrow('a character that no key has');
  });
});

describe('errors', () => {
  it('of the gateway have its words', async () => {
    const { http } = connect([json(400, REFUSED)]);
    const error = await failed(http.json({ path: '/' }));
    expect(error).toBeInstanceOf(InvalidRequestError);
    expect(error).toMatchObject({
      name: 'InvalidRequestError',
      message: 'duration must be 4.',
      status: 400,
      reason: 'invalid_request',
      param: 'duration',
      requestId: 'r-1',
      body: REFUSED,
    });
  });

  it('of other servers have what can be told', async () => {
    const page = new Response('<html>', { status: 418, headers: { 'x-request-id': 'r-2' } });
    const { http } = connect([page, json(500, { error: 'gone wrong' })]);
    expect(await failed(http.json({ path: '/' }))).toMatchObject({
      message: 'The server answered with 418',
      reason: undefined,
      requestId: 'r-2',
      body: '<html>',
    });
    expect(await failed(http.json({ path: '/' }))).toBeInstanceOf(ServerError);
  });

  it('of the network keep their cause, and a page instead of JSON says what may be wrong', async () => {
    const { http } = connect(['ECONNREFUSED', new Response('<html>')]);
    const unreachable = await failed(http.json({ path: '/' }));
    expect(unreachable).toBeInstanceOf(ConnectionError);
    expect(unreachable).toMatchObject({ cause: new TypeError('ECONNREFUSED') });
    expect(await failed(http.json({ path: '/' }))).toMatchObject({
      message: 'The answer is not JSON; check baseUrl.',
    });
  });

  it('of an aborted signal are its reason', async () => {
    const reason = new Error('the user left');
    const { http } = connect(['the fetch was aborted']);
    expect(await failed(http.json({ path: '/', signal: AbortSignal.abort(reason) }))).toBe(reason);
  });
});

describe('another attempt', () => {
  it('is made of what may be repeated, after growing delays', async () => {
    const { http, sent, sleeps } = connect(['cut', json(503, {}), json(500, {}), json(200, { ok: true })]);
    const { body } = await http.json({ method: 'POST', path: '/', body: { a: 1 }, repeatable: true });
    expect(body).toEqual({ ok: true });
    expect(sleeps).toEqual([375, 750, 1500]);
    expect(sent.map(({ init }) => init.body)).toEqual(Array(4).fill('{"a":1}'));
  });

  it('waits for as long as the server asks, in seconds or until a date', async () => {
    const { http, sleeps } = connect([
      json(429, {}, { 'retry-after': '7' }),
      json(503, {}, { 'retry-after': new Date(Date.now() + 30_000).toUTCString() }),
      json(200, {}),
    ]);
    await http.json({ path: '/', repeatable: true });
    expect(sleeps[0]).toBe(7350);
    expect(sleeps[1]).toBeGreaterThan(28_000);
    expect(sleeps[1]).toBeLessThan(32_000);
  });

  it('is not waited for if the server asks for more than a minute', async () => {
    const { http, sleeps } = connect([json(429, {}, { 'retry-after': '3600' })]);
    const error = await failed(http.json({ path: '/', repeatable: true }));
    expect(error).toBeInstanceOf(RateLimitError);
    expect(error).toMatchObject({ retryAfterMs: 3_600_000 });
    expect(sleeps).toEqual([]);
  });

  it('is not made at once, even if the server says so', async () => {
    const { http, sleeps } = connect([
      json(503, {}, { 'retry-after': '0' }),
      json(503, {}, { 'retry-after': new Date(0).toUTCString() }),
      json(200, {}),
    ]);
    await http.json({ path: '/', repeatable: true });
    expect(sleeps).toEqual([375, 375]);
  });

  it.each([
    ['what may not be repeated', ['cut'], false],
    ['what would be refused again', [json(409, {})], true],
    [
      'what names a field, such as a model that nobody serves here',
      [json(503, { error: { param: 'model' } })],
      true,
    ],
  ])('is not made of %s', async (_, answers, repeatable) => {
    const { http, sent } = connect(answers);
    await failed(http.json({ path: '/', repeatable }));
    expect(sent).toHaveLength(1);
  });

  it('is made no more than so many times', async () => {
    const { http, sent } = connect([], { maxRetries: 2 });
    await failed(http.json({ path: '/', repeatable: true }));
    expect(sent).toHaveLength(3);
  });
});

it.each([
  ['a submit is waited for as long as the gateway may fetch its inputs', 'a paper boat', 180_000],
  ['a large one also for its upload', 'x'.repeat(1_250_000), 190_000],
])('%s', async (_, prompt, longest) => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const fetch = (_url: unknown, { signal }: RequestInit = {}) =>
    new Promise<Response>((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason));
    });
  const client = new Onetake({ baseUrl: 'https://video.example.com', apiKey: 'sk-1', fetch, maxRetries: 0 });
  const ended = vi.fn();
  const submitted = failed(client.submit({ model: 'sora-2', prompt })).finally(ended);
  await vi.advanceTimersByTimeAsync(longest - 1);
  expect(ended).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1000);
  expect(await submitted).toMatchObject({
    name: 'ConnectionError',
    message: expect.stringMatching(/^No answer within 1[89]0/),
  });
});

it('every error of the API is an ApiError', () => {
  expect(new RateLimitError(json(429, {}), '{}')).toBeInstanceOf(ApiError);
});

it.each([null, {}, [], { data: { id: 1 } }])('other JSON than a list is an error: %j', async (body) => {
  const client = new Onetake({
    baseUrl: 'https://video.example.com',
    apiKey: 'sk-1',
    fetch: async () => json(200, body),
  });
  for (const work of [client.models(), client.list().next()]) {
    const error = await failed(work);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({
      message: expect.stringMatching(/no list of (models|tasks); check baseUrl/),
    });
  }
});
