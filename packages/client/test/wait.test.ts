import { describe, expect, it, vi } from 'vitest';
import { NotFoundError, TaskFailedError } from '../src/errors.ts';
import { createHttp } from '../src/http.ts';
import { SYSTEM_TIMING } from '../src/timing.ts';
import type { Progress } from '../src/types.ts';
import { type Server, waitForTask, withTimeout } from '../src/wait.ts';
import { startReference } from './support/reference.ts';
import { createTestTiming } from './support/timing.ts';

const ID = 'video_69095b4ce0048190893a01510c0c98b0';
const QUERY = `GET /v1/video/generations/${ID}`;

const connect = (baseUrl: string, timing = createTestTiming(), send?: typeof fetch): Server => ({
  http: createHttp({ baseUrl, apiKey: 'sk-1', fetch: send }, timing),
  abilities: { events: true, hold: true },
});

describe('at a server that has only submit, query and download', () => {
  it('a task is polled after growing delays until it has ended', async () => {
    const reference = await startReference();
    reference.statuses = [...Array(6).fill('queued'), 'in_progress', 'in_progress', 'succeeded'];
    const timing = createTestTiming();
    const server = connect(reference.url, timing);
    const told: Progress[] = [];
    const task = await waitForTask(server, ID, { onProgress: (progress) => told.push(progress) });
    expect(task).toEqual({
      task_id: ID,
      status: 'succeeded',
      format: 'mp4',
      url: `${reference.url}/files/video.mp4`,
    });
    expect(told.map(({ status }) => status)).toEqual(['queued', 'in_progress', 'succeeded']);
    // Jitter takes up to half of a delay. A change may be followed by another one soon.
    expect(timing.sleeps).toEqual([750, 1500, 3000, 6000, 7500, 7500, 750, 1500]);
    // It is asked once for what it does not have.
    expect(reference.seen.filter((request) => request.includes('/events'))).toHaveLength(1);
    expect(server.abilities.events).toBe(false);
  });

  it('it is asked again no sooner than it says', async () => {
    const reference = await startReference();
    reference.headers = { 'retry-after': '4' };
    const timing = createTestTiming(0);
    await waitForTask(connect(reference.url, timing), ID, {});
    expect(timing.sleeps).toEqual([4000, 4000]);
  });

  it.each([
    ['at once', '0', 500],
    ['at a time that has passed', new Date(0).toUTCString(), 500],
    ['after a day', '86400', 60_000],
  ])('one that says %s is asked again within bounds', async (_, retryAfter, expected) => {
    const reference = await startReference();
    reference.headers = { 'retry-after': retryAfter };
    const timing = createTestTiming(0);
    await waitForTask(connect(reference.url, timing), ID, {});
    expect(timing.sleeps).toEqual([expected, expected]);
  });

  it('one that refuses a query with `wait` is asked without', async () => {
    const reference = await startReference();
    reference.strict = true;
    await waitForTask(connect(reference.url), ID, {});
    const queries = reference.seen.filter(
      (request) => request.startsWith(QUERY) && !request.includes('/events'),
    );
    expect(queries).toEqual([`${QUERY}?wait=30`, QUERY, QUERY, QUERY]);
  });

  it('a failed task is an error with its words', async () => {
    const reference = await startReference();
    reference.statuses = ['failed'];
    const error = await waitForTask(connect(reference.url), ID, {}).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TaskFailedError);
    expect(error).toMatchObject({
      message: 'Prompt contains inappropriate content',
      code: 400,
      reason: undefined,
      taskId: ID,
      task: { status: 'failed' },
    });
  });

  it('a task that it does not have is an error, and says nothing about its event streams', async () => {
    const reference = await startReference();
    const server = connect(reference.url);
    const error = await waitForTask(server, 'video_none', {}).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error).toMatchObject({ taskId: 'video_none' });
    expect(server.abilities.events).toBe(true);
  });
});

describe('while a server cannot be reached', () => {
  const unreachable: typeof fetch = async () => {
    throw new TypeError('ECONNREFUSED');
  };

  it('it is asked again for ten minutes, after delays of at most ten seconds', async () => {
    const timing = createTestTiming();
    const server = connect('http://127.0.0.1:1', timing, unreachable);
    await expect(waitForTask(server, ID, {})).rejects.toMatchObject({ name: 'ConnectionError', taskId: ID });
    expect(timing.now()).toBeGreaterThan(600_000);
    expect(Math.max(...timing.sleeps)).toBeLessThanOrEqual(10_000);
  });

  it('waiting ends with its timeout, or with what its signal was aborted with', async () => {
    const server = connect('http://127.0.0.1:1', { ...SYSTEM_TIMING, sleeps: [] }, unreachable);
    const late = withTimeout({ timeout: 20 }, (signal) => waitForTask(server, ID, { signal }));
    await expect(late).rejects.toMatchObject({ name: 'WaitTimeoutError', taskId: ID });
    const controller = new AbortController();
    const aborted = waitForTask(server, ID, { signal: controller.signal });
    const reason = new Error('the user left');
    controller.abort(reason);
    await expect(aborted).rejects.toBe(reason);
  });
});

it('streams that connect and stay silent are given up for queries', async () => {
  vi.useFakeTimers();
  try {
    const timing = { ...SYSTEM_TIMING, now: () => Date.now(), sleeps: [] };
    const requests: string[] = [];
    const server = connect('http://127.0.0.1:1', timing, async (url, init) => {
      const { pathname, search } = new URL(String(url));
      requests.push(pathname.endsWith('/events') ? 'events' : `query${search}`);
      if (!pathname.endsWith('/events')) {
        const status = requests.length < 6 ? 'in_progress' : 'succeeded';
        return new Response(JSON.stringify({ task_id: ID, status }));
      }
      const body = new ReadableStream({
        start(stream) {
          init?.signal?.addEventListener('abort', () => stream.error(init.signal?.reason));
        },
      });
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    });
    const done = waitForTask(server, ID, {});
    await vi.advanceTimersByTimeAsync(60_000);
    expect((await done).status).toBe('succeeded');
    expect(requests).toEqual([
      'events',
      'query?wait=30',
      'events',
      'query?wait=30',
      'query?wait=30',
      'query?wait=30',
    ]);
  } finally {
    vi.useRealTimers();
  }
});
