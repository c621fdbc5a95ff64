import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type Simulators, startSimulators } from '../../src/index.ts';

const DAY_MS = 24 * 3_600_000;
const MODEL = 'doubao-seedance-2-0-260128';

// biome-ignore lint/suspicious/noExplicitAny: tests read any member of an answer and assert what they find
type Json = any;

let simulators: Simulators;

beforeEach(async () => {
  simulators = await startSimulators({ only: ['ark'], limits: false });
});

afterEach(() => simulators.close());

async function call(path: string, init: RequestInit = {}): Promise<{ status: number; body: Json }> {
  const response = await fetch(`${simulators.urls.ark}/api/v3/contents/generations/tasks${path}`, {
    ...init,
    headers: { authorization: `Bearer ${simulators.keys.ark}`, 'content-type': 'application/json' },
  });
  return { status: response.status, body: await response.json() };
}

const post = (body: Json) => call('', { method: 'POST', body: JSON.stringify(body) });
const text = (prompt: string) => ({ type: 'text', text: prompt });
const image = (role?: string) => ({
  type: 'image_url',
  image_url: { url: 'https://pictures.test/1.png' },
  ...(role === undefined ? {} : { role }),
});

async function created(fields: Json = {}, prompt = 'a boat'): Promise<string> {
  const { status, body } = await post({ model: MODEL, content: [text(prompt)], ...fields });
  expect(body).toEqual({ id: expect.stringMatching(/^cgt-\d{14}-\w{5}$/) });
  expect(status).toBe(200);
  return body.id;
}

const remove = (id: string) => call(`/${id}`, { method: 'DELETE' });

describe('a task', () => {
  it('goes from queued over running to succeeded, and shows its parameters only then', async () => {
    const id = await created({ resolution: '480p', duration: 4, seed: 11 }, 'a boat [queued]');
    const queued = await call(`/${id}`);
    expect(queued.body).toMatchObject({ id, model: MODEL, status: 'queued', service_tier: 'default' });
    expect(queued.body).not.toHaveProperty('duration');
    simulators.finishAll();
    expect((await call(`/${id}`)).body).toMatchObject({
      status: 'succeeded',
      seed: 11,
      resolution: '480p',
      ratio: '16:9',
      duration: 4,
      framespersecond: 24,
      execution_expires_after: 172_800,
      usage: { total_tokens: Math.floor((864 * 496 * (24 * 4 + 1)) / 1024) },
    });
  });

  it.each([
    ['fail', 'InternalServiceError'],
    ['invalid', 'InvalidParameter.TaskTypeConstraint'],
    ['moderation', expect.stringMatching(/^Output(?:Video|Audio)SensitiveContentDetected/)],
  ])('with [%s] fails with HTTP 200', async (marker, code) => {
    const id = await created({}, `a boat [${marker}]`);
    simulators.finishAll();
    const { status, body } = await call(`/${id}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'failed', error: { code } });
    expect(body).not.toHaveProperty('content');
  });

  it('expires if it is not finished within execution_expires_after', async () => {
    const id = await created({ execution_expires_after: 3600 }, 'a boat [hold]');
    simulators.advance(3_600_000);
    expect((await call(`/${id}`)).body.status).toBe('expired');
  });

  it('of 2.5 with a first frame and its own ratio fails only when it runs', async () => {
    const content = [text('it moves'), image('first_frame')];
    const id = await created({ model: 'doubao-seedance-2-5-260628', content, ratio: '16:9' });
    simulators.finishAll();
    expect((await call(`/${id}`)).body).toMatchObject({
      status: 'failed',
      error: { code: 'InvalidParameter.TaskTypeConstraint' },
    });
    expect(simulators.ledger.bills()).toBe(0);
  });

  it('waits if ten of its model run already, and is not refused', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 12; i++) ids.push(await created({}, 'a boat [hold]'));
    simulators.advance(60_000);
    const states: string[] = [];
    for (const id of ids) states.push((await call(`/${id}`)).body.status);
    expect(states.filter((state) => state === 'running')).toHaveLength(10);
    expect(states.filter((state) => state === 'queued')).toHaveLength(2);
  });

  it('is forgotten after seven days', async () => {
    const id = await created();
    simulators.finishAll();
    simulators.advance(7 * DAY_MS + 1000);
    expect(await call(`/${id}`)).toMatchObject({
      status: 404,
      body: { error: { code: 'ResourceNotFound' } },
    });
  });
});

describe('its result', () => {
  it('opens without a key for 24 hours, also in ranges, but not with a key', async () => {
    const id = await created({ resolution: '480p', duration: 4 });
    simulators.finishAll();
    const url: string = (await call(`/${id}`)).body.content.video_url;
    expect(new URL(url).searchParams.get('X-Tos-Expires')).toBe('86400');
    const whole = await fetch(url);
    expect(whole.headers.get('content-type')).toBe('video/mp4');
    const { length } = Buffer.from(await whole.arrayBuffer());
    const part = await fetch(url, { headers: { range: 'bytes=100-199' } });
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe(`bytes 100-199/${length}`);
    expect((await fetch(url, { headers: { authorization: 'Bearer x' } })).status).toBe(400);
    simulators.advance(DAY_MS + 1000);
    expect((await fetch(url)).status).toBe(403);
  });
});

describe('a submit', () => {
  const cases: [what: string, fields: Json, code: string][] = [
    ['without content', { content: [] }, 'MissingParameter'],
    ['of a resolution that the model lacks', { resolution: '8k' }, 'InvalidParameter'],
    ['of a duration that the model lacks', { duration: 16 }, 'InvalidParameter'],
    ['of a duration as text', { duration: '5' }, 'InvalidParameter'],
    ['with a field of other models', { camera_fixed: true }, 'InvalidParameter.UnsupportedParameter'],
    ['with flex where there is none', { service_tier: 'flex' }, 'InvalidParameter.UnsupportedParameter'],
    ['with an expiry out of bounds', { execution_expires_after: 3599 }, 'InvalidParameter'],
    ['with a callback that is no URL', { callback_url: 'here' }, 'InvalidParameter'],
    ['with a last frame alone', { content: [text('a'), image('last_frame')] }, 'InvalidParameter'],
    [
      'with frames and references',
      { content: [text('a'), image('first_frame'), image('reference_image')] },
      'InvalidParameter',
    ],
    ['with a text flag out of bounds', { content: [text('a boat --dur 99')] }, 'InvalidParameter'],
    [
      'with a text that is not allowed',
      { content: [text('a [moderation-input]')] },
      'InputTextSensitiveContentDetected',
    ],
    [
      'with a real person',
      { content: [text('a [moderation-input]'), image()] },
      'InputImageSensitiveContentDetected.PrivacyInformation',
    ],
  ];

  it.each(cases)('%s is refused with 400', async (_what, fields, code) => {
    const { status, body } = await post({ model: MODEL, content: [text('a boat')], ...fields });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code, type: 'BadRequest', param: '' });
    expect(body.error.message).toMatch(/Request id: 021/);
  });

  it('ignores unknown fields, and accepts flags after the text', async () => {
    const content = [text('a boat --rs 480p --rt 1:1 --dur 4 --seed 7 --wm true')];
    const id = await created({ content, framespersecond: 999 });
    simulators.finishAll();
    expect((await call(`/${id}`)).body).toMatchObject({
      resolution: '480p',
      ratio: '1:1',
      duration: 4,
      seed: 7,
    });
  });

  it('reads flags only at the very end, and prefers the fields', async () => {
    const content = [text('a --rs 1080p boat --dur 6')];
    const id = await created({ content, duration: 4, resolution: '480p' });
    simulators.finishAll();
    expect((await call(`/${id}`)).body).toMatchObject({ resolution: '480p', duration: 4 });
  });

  it.each([
    ['overdue', 403, 'AccountOverdueError'],
    ['forbidden', 403, 'AccessDenied'],
    ['quota_exhausted', 429, 'QuotaExceeded'],
    ['revoked', 401, 'AuthenticationError'],
  ] as const)('of an account that is %s is refused', async (state, status, code) => {
    simulators.upstream('ark').accounts.set('default', state);
    expect(await post({ model: MODEL, content: [text('a')] })).toMatchObject({
      status,
      body: { error: { code } },
    });
  });

  it('beyond the length of the queue is refused with QuotaExceeded', async () => {
    simulators.upstream('ark').configure({ queued: 1 });
    await created({}, 'a boat [queued]');
    expect(await post({ model: MODEL, content: [text('a')] })).toMatchObject({
      status: 429,
      body: { error: { code: 'QuotaExceeded' } },
    });
  });

  it('of a model that was taken offline is refused', async () => {
    const body = { model: 'doubao-seedance-1-5-pro-251215', content: [text('a')] };
    expect(await post(body)).toMatchObject({
      status: 404,
      body: { error: { code: 'InvalidEndpointOrModel.NotFound' } },
    });
  });
});

describe('references', () => {
  const OF_2_5 = 'doubao-seedance-2-5-260628';
  const item = (type: string, role: string, url = `https://media.test/${type}`) => ({
    type,
    [type]: { url },
    role,
  });
  const video = (url?: string) => item('video_url', 'reference_video', url);
  const audio = () => item('audio_url', 'reference_audio');
  const reference = () => image('reference_image');
  const times = <T>(count: number, one: T): T[] => Array(count).fill(one);

  it.each<[string, string, Json[], boolean]>([
    ['of every type', MODEL, [...times(9, reference()), ...times(3, video()), ...times(3, audio())], true],
    [
      'of every type',
      OF_2_5,
      [...times(30, reference()), ...times(10, video()), ...times(10, audio())],
      true,
    ],
    ['of one image too many', MODEL, times(10, reference()), false],
    ['of one video too many', MODEL, times(4, video()), false],
    ['of one sound too many', MODEL, [reference(), ...times(4, audio())], false],
    ['of sound alone', MODEL, [audio()], false],
    ['of sound alone', OF_2_5, [audio()], true],
    ['of a model without any', 'doubao-seedance-1-0-pro-250528', [reference()], false],
    ['as the bytes of a video', MODEL, [video('data:video/mp4;base64,AAAA')], false],
  ])('%s, %s: accepted or not', async (_what, model, references, accepted) => {
    const { status } = await post({ model, content: [text('a boat'), ...references] });
    expect(status).toBe(accepted ? 200 : 400);
  });

  it.each<[string, Json, number]>([
    ['edit', { ratio: 'adaptive', duration: -1 }, 200],
    ['edit', {}, 200],
    ['edit', { duration: 5 }, 400],
    ['edit', { ratio: '16:9' }, 400],
    ['extend', { duration: 6 }, 200],
    ['extend', { ratio: '16:9' }, 400],
    ['reference', { ratio: '16:9', duration: 6 }, 200],
  ])('of the type %s with %j: %i', async (type, fields, expected) => {
    const body = {
      model: OF_2_5,
      content: [text('replace the boat'), video()],
      omni_reference_task_type: type,
    };
    const { status } = await post({ ...body, ...fields });
    expect(status).toBe(expected);
    expect((await post({ ...body, ...fields, model: MODEL })).status).toBe(400);
  });

  it.each<[string, string, Json, unknown]>([
    ['replace the boat', 'edit', {}, 'succeeded'],
    ['a boat', 'edit', {}, 'InvalidParameter.TaskTypeMismatch'],
    ['continue the story', 'edit', {}, 'InvalidParameter.TaskTypeMismatch'],
    ['continue the story', 'extend', {}, 'succeeded'],
    ['replace the boat', 'auto', { ratio: '16:9' }, 'InvalidParameter.TaskTypeConstraint'],
    ['a boat', 'auto', { ratio: '16:9', duration: 6 }, 'succeeded'],
  ])('with the prompt "%s" as %s end with %j', async (prompt, type, fields, ending) => {
    const content = [text(prompt), video()];
    const id = await created({ model: OF_2_5, content, omni_reference_task_type: type, ...fields });
    simulators.finishAll();
    const { body } = await call(`/${id}`);
    expect(body.status === 'succeeded' ? body.status : body.error.code).toBe(ending);
  });

  it('that are videos are billed by their seconds, at least by those of two thirds of the result', async () => {
    const tokens = async (seconds: number, ...references: Json[]) => {
      const id = await created({ duration: seconds, content: [text('a boat'), ...references] });
      simulators.finishAll();
      return (await call(`/${id}`)).body.usage.total_tokens;
    };
    const of = (seconds: number) => Math.floor((1280 * 720 * (24 * seconds + 1)) / 1024);
    expect(await tokens(4, reference())).toBe(of(4));
    expect(await tokens(4, video())).toBe(of(4 + 5));
    expect(await tokens(10, video())).toBe(of(10 + 7));
    expect(await tokens(4, video(), video())).toBe(of(4 + 10));
  });
});

describe('the list', () => {
  it('filters by repeated ids, by status and by model, in pages', async () => {
    const [a, b] = [await created(), await created()];
    simulators.finishAll();
    const c = await created({ model: 'doubao-seedance-2-0-fast-260128' }, 'a boat [queued]');
    const ids = async (query: string) => {
      const { body } = await call(`?${query}`);
      return [body.total, body.items.map((item: Json) => item.id)];
    };
    expect(await ids('')).toEqual([3, [c, b, a]]);
    expect(await ids(`filter.task_ids=${a}&filter.task_ids=${c}`)).toEqual([2, [c, a]]);
    expect(await ids('filter.status=succeeded')).toEqual([2, [b, a]]);
    expect(await ids(`filter.model=${MODEL}`)).toEqual([2, [b, a]]);
    expect(await ids('page_size=2&page_num=2')).toEqual([3, [a]]);
    expect((await call('?page_size=501')).status).toBe(400);
  });

  it('accepts as many ids as a page may have tasks', async () => {
    const id = await created();
    const others = Array.from({ length: 499 }, (_, number) => `cgt-20260514183217-${10_000 + number}`);
    const query = [...others, id].map((one) => `filter.task_ids=${one}`).join('&');
    const { body } = await call(`?page_size=500&${query}`);
    expect(body.items.map((item: Json) => item.id)).toEqual([id]);
  });

  it('shows no prompts, only times and parameters', async () => {
    await created({}, 'a secret boat');
    expect(JSON.stringify((await call('')).body)).not.toContain('secret');
  });

  it('has tasks of the flex tier only on request', async () => {
    const model = 'doubao-seedance-1-0-pro-250528';
    await created({ model, service_tier: 'flex' });
    expect((await call('')).body.total).toBe(0);
    expect((await call('?filter.service_tier=flex')).body.total).toBe(1);
  });
});

describe('DELETE', () => {
  it('cancels a queued task, which costs nothing', async () => {
    const id = await created({}, 'a boat [queued]');
    expect(await remove(id)).toEqual({ status: 200, body: {} });
    expect((await call(`/${id}`)).body.status).toBe('cancelled');
    expect((await remove(id)).status).toBe(409);
    simulators.advance(DAY_MS + 1000);
    expect((await call(`/${id}`)).status).toBe(404);
  });

  it('refuses a running task', async () => {
    const id = await created({}, 'a boat [hold]');
    simulators.advance(60_000);
    expect(await remove(id)).toMatchObject({
      status: 409,
      body: { error: { code: 'InvalidAction.RunningTaskDeletion' } },
    });
  });

  it('erases the record of a finished task, paid for or not', async () => {
    const id = await created();
    simulators.finishAll();
    expect((await remove(id)).status).toBe(200);
    expect((await call(`/${id}`)).status).toBe(404);
    expect(simulators.ledger.bills()).toBe(1);
  });
});

describe('limits', () => {
  it('are one list and twenty queries a second', async () => {
    const strict = await startSimulators({ only: ['ark'], scale: 100 });
    onTestFinished(() => strict.close());
    const get = async (path: string) => {
      const response = await fetch(`${strict.urls.ark}/api/v3/contents/generations/tasks${path}`, {
        headers: { authorization: `Bearer ${strict.keys.ark}` },
      });
      return [response.status, ((await response.json()) as Json).error?.code];
    };
    expect(await get('')).toEqual([200, undefined]);
    expect(await get('')).toEqual([429, 'AccountRateLimitExceeded']);
    for (let i = 0; i < 20; i++) expect((await get('/cgt-x'))[0]).toBe(404);
    expect(await get('/cgt-x')).toEqual([429, 'AccountRateLimitExceeded']);
  });
});

describe('callbacks', () => {
  it('post the task unsigned on each change of status, and repeat a final one that is not accepted', async () => {
    const bodies: Json[] = [];
    let refuse = true;
    const receiver = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      bodies.push(JSON.parse(Buffer.concat(chunks).toString()));
      const end = bodies.at(-1)?.status === 'succeeded';
      response.writeHead(end && refuse ? 500 : 200).end();
      if (end) refuse = false;
      receiver.emit('taken');
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    onTestFinished(() => void receiver.close());
    const until = async (count: number) => {
      while (bodies.length < count) await once(receiver, 'taken');
    };

    const { port } = receiver.address() as AddressInfo;
    const callback_url = `http://127.0.0.1:${port}/?token=x`;
    const id = await created({ callback_url }, 'a boat [queued]');
    await until(1);
    simulators.finishAll();
    await until(3);
    while (simulators.deliveries().length < 3) await new Promise((resolve) => setImmediate(resolve));
    simulators.advance(10_000);
    await until(4);
    expect(bodies.map(({ status }) => status).sort()).toEqual([
      'queued',
      'running',
      'succeeded',
      'succeeded',
    ]);
    expect(bodies.every((body) => body.id === id)).toBe(true);
  });
});
