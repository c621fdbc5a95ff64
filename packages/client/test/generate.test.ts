import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import {
  ApiError,
  ConflictError,
  ConnectionError,
  InvalidRequestError,
  NotFoundError,
  Onetake,
} from '../src/index.ts';
import { downloadToFile } from '../src/node.ts';
import type { Progress, SubmitParams, Task } from '../src/types.ts';
import { HELD, KEY, QUICK, startTestGateway, type TestGateway } from './support/gateway.ts';

let gateway: TestGateway;
/** Differs from test to test. */
let metadata: { readonly test: string };

beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.end());
beforeEach(({ task }) => {
  metadata = { test: task.id };
  gateway.proxy.fault = () => undefined;
  gateway.proxy.seen.length = 0;
});

const connect = () => new Onetake({ baseUrl: gateway.proxy.url, apiKey: KEY });
const mine = (params: SubmitParams): SubmitParams => ({ ...params, metadata });

/** The ids of the tasks of this test, newest first. */
async function tasksOf(client: Onetake): Promise<string[]> {
  const ids: string[] = [];
  for await (const { task_id: id } of client.list({ metadata, limit: 2 })) ids.push(id);
  return ids;
}

const failed = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => expect.unreachable('it should fail'),
    (error: unknown) => error,
  );

const isEvents = (request: string): boolean => request.endsWith('/events');
const isSubmit = (request: string): boolean => request.startsWith('POST');

it('a quote tells the price and makes no task, and says what is wrong with a request', async () => {
  const client = connect();
  expect(await client.quote(mine(QUICK))).toMatchObject({
    model: 'onetake-preview',
    price: { hold: 0, currency: 'USD' },
    allowed: true,
    limits: [],
  });
  expect(gateway.proxy.seen).toEqual(['POST /v1/video/generations/quote']);
  expect(await tasksOf(client)).toEqual([]);
  expect(await failed(client.quote({ ...mine(QUICK), resolution: '4k' }))).toBeInstanceOf(
    InvalidRequestError,
  );
});

it('a video of the built-in model is made, and its progress is told', async () => {
  const client = connect();
  const told: Progress[] = [];
  const task = await client.generate(mine(QUICK), { onProgress: (progress) => told.push(progress) });
  expect(task).toMatchObject({ status: 'succeeded', model: 'onetake-preview', metadata });
  expect(told[0]).toMatchObject({ task_id: task.task_id, status: 'queued' });
  expect(told.at(-1)).toEqual(task);
  // A submit and a stream: nothing was polled.
  expect(gateway.proxy.seen).toEqual([
    'POST /v1/video/generations',
    `GET /v1/video/generations/${task.task_id}/events`,
  ]);
  expect(await client.get(task.task_id)).toMatchObject({ status: 'succeeded' });
  expect(await failed(client.cancel(task.task_id))).toBeInstanceOf(ConflictError);
  await client.delete(task.task_id);
  expect(await failed(client.get(task.task_id))).toMatchObject({ name: 'GoneError', taskId: task.task_id });
});

it('a video is saved whole, although the connection breaks in the middle', async () => {
  const client = connect();
  const { task_id: id, bytes } = await client.generate(mine(QUICK));
  const folder = await mkdtemp(join(tmpdir(), 'onetake-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'boat.mp4');
  const whole = await downloadToFile(client, id, file);
  const { body, sha256 } = await client.download(id);
  expect(whole).toEqual({ bytes, sha256 });
  await body.cancel();

  let cuts = 0;
  gateway.proxy.fault = (request) => {
    if (!request.includes('/content') || cuts === 3) return undefined;
    cuts += 1;
    return { cutAfter: 5000 };
  };
  expect(await downloadToFile(client, id, file)).toEqual(whole);
  expect([cuts, (await stat(file)).size]).toEqual([3, bytes]);
  const poster = await client.download(id, { variant: 'thumbnail' });
  expect(poster.contentType).toBe('image/jpeg');
  await poster.body.cancel();
});

it('tasks are listed over pages and cancelled', async () => {
  const client = connect();
  const ids: string[] = [];
  for (let count = 0; count < 3; count++) ids.unshift((await client.submit(mine(HELD))).task_id);
  expect(await tasksOf(client)).toEqual(ids);
  for (const id of ids) await client.cancel(id).catch(() => undefined);
  gateway.finish();
  const ends = await Promise.all(ids.map((id) => client.wait(id).catch((error: unknown) => error)));
  expect(ends).toHaveLength(3);
  const { task_id: id } = await client.submit({ ...mine(QUICK), duration: 8 });
  await client.cancel(id);
  expect(await failed(client.wait(id))).toMatchObject({
    name: 'TaskFailedError',
    code: 499,
    reason: 'cancelled',
    taskId: id,
  });
});

it('models are listed, and what they do not accept and tasks that do not exist are refused', async () => {
  const client = connect();
  const models = await client.models();
  expect(models.find(({ id }) => id === 'onetake-preview')).toMatchObject({ available: true });
  const wrong = await failed(client.generate({ ...QUICK, duration: 1000 }));
  expect(wrong).toBeInstanceOf(InvalidRequestError);
  expect(wrong).toMatchObject({ param: 'duration' });
  expect(await failed(client.wait(`video_${'0'.repeat(32)}`))).toBeInstanceOf(NotFoundError);
});

it('a model of the catalogue has the types of its parameters, and an id in a variable those of all', async () => {
  const client = connect();
  const { model, prompt } = QUICK;
  const refusals = [
    // @ts-expect-error: the built-in model draws no 4k
    failed(client.submit({ model, prompt, resolution: '4k' })),
    // @ts-expect-error: it knows no negative prompt
    failed(client.submit({ model, prompt, negative_prompt: 'rain' })),
    // @ts-expect-error: sora-2 makes no video of 7 seconds
    failed(client.generate({ model: 'sora-2', prompt, duration: 7 })),
    failed(client.submit({ model: model as string, prompt, resolution: '4k' })),
    failed(client.submit({ model: 'a-model-of-ours', prompt, negative_prompt: 'rain', resolution: '4k' })),
  ];
  const params: SubmitParams<'sora-2'> = { model: 'sora-2', prompt, duration: 4, image: null, metadata };
  expect(await client.submit(params)).toMatchObject({ model: 'sora-2' });
  for (const error of await Promise.all(refusals)) expect(error).toBeInstanceOf(ApiError);
});

describe('there is exactly one task, and its end is learnt', () => {
  it('when the answer of the submit is lost, and when the server is too busy for it', async () => {
    const client = connect();
    let submits = 0;
    gateway.proxy.fault = (request) => {
      if (!isSubmit(request)) return undefined;
      submits += 1;
      if (submits === 1) return { lose: true };
      return submits === 2 ? { answer: 503, headers: { 'retry-after': '1' } } : undefined;
    };
    const task = await client.generate(mine(QUICK));
    expect(submits).toBe(3);
    expect(await tasksOf(client)).toEqual([task.task_id]);
  });

  it('when the stream is cut in the middle of an event, again and again', async () => {
    const client = connect();
    let streams = 0;
    gateway.proxy.fault = (request) => {
      if (!isEvents(request)) return undefined;
      streams += 1;
      // Of the first one not one event arrives.
      return streams < 4 ? { cutAfter: streams === 1 ? 100 : 700 } : undefined;
    };
    const task = await finished(client.generate(mine(HELD)), () => streams > 1);
    expect(await tasksOf(client)).toEqual([task.task_id]);
  });

  it('when all connections are cut while it waits', async () => {
    const client = connect();
    let cut = false;
    const task = await finished(
      client.generate(mine(HELD), {
        onProgress({ status }) {
          if (status !== 'in_progress') return;
          if (!cut) gateway.proxy.cut();
          cut = true;
        },
      }),
      () => cut,
    );
    expect([task.status, cut]).toEqual(['succeeded', true]);
    expect(await tasksOf(client)).toEqual([task.task_id]);
  });

  it.each([404, 502])('when a proxy answers %i for streams', async (answer) => {
    const client = connect();
    gateway.proxy.fault = (request) => (isEvents(request) ? { answer } : undefined);
    const isHeld = () => gateway.proxy.seen.some((request) => request.includes('wait=30'));
    expect(await finished(client.generate(mine(HELD)), isHeld)).toMatchObject({ status: 'succeeded' });
  });

  it('when the gateway is restarted while it waits, also by a client of another process', async () => {
    const client = connect();
    let restarted: Promise<void> | undefined;
    const task = await finished(
      client.generate(mine(HELD), {
        onProgress({ status }) {
          if (status === 'in_progress') restarted ??= gateway.stop().then(gateway.start);
        },
      }),
      () => restarted !== undefined,
    );
    await restarted;
    expect(task).toMatchObject({ status: 'succeeded', metadata });
    expect(await connect().wait(task.task_id)).toMatchObject({ status: 'succeeded' });
    expect(await tasksOf(client)).toEqual([task.task_id]);
  });

  it('when the client is aborted, and another one goes on with the task', async () => {
    const controller = new AbortController();
    const reason = new Error('the user left');
    let id = '';
    const generated = connect().generate(mine(HELD), {
      signal: controller.signal,
      onProgress(task) {
        id = task.task_id;
        if (task.status === 'in_progress') controller.abort(reason);
      },
    });
    expect(await failed(generated)).toBe(reason);
    const client = connect();
    expect(await failed(client.wait(id, { timeout: 50 }))).toMatchObject({
      name: 'WaitTimeoutError',
      taskId: id,
    });
    expect(await finished(client.wait(id))).toMatchObject({ status: 'succeeded' });
    expect(await tasksOf(client)).toEqual([id]);
  });
});

it('a submit that never gets through says with which key to try again', async () => {
  const options = { idempotencyKey: `order-${metadata.test}` };
  const client = new Onetake({ baseUrl: gateway.proxy.url, apiKey: KEY, maxRetries: 0 });
  gateway.proxy.fault = () => ({ answer: 502 });
  expect(await failed(client.generate(mine(QUICK), options))).toMatchObject({
    name: 'ServerError',
    status: 502,
    ...options,
  });
  gateway.proxy.fault = (request) => (isSubmit(request) ? { lose: true } : undefined);
  expect(await failed(client.generate(mine(QUICK), options))).toBeInstanceOf(ConnectionError);
  gateway.proxy.fault = () => undefined;
  const task = await client.generate(mine(QUICK), options);
  expect(await tasksOf(client)).toEqual([task.task_id]);
});

/** Lets held videos be finished once `ready`, again and again, because a job may not have begun yet. */
async function finished(work: Promise<Task>, ready = () => true): Promise<Task> {
  const timer = setInterval(() => ready() && gateway.finish(), 500);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
