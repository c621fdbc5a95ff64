import { type Simulators, startSimulators } from '@onetake/simulators';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newTaskId } from '../../../src/tasks/ids.ts';
import { eventually } from '../../support/eventually.ts';
import { type Json, QUICK, startTestGateway, type TestGateway } from '../../support/gateway.ts';

let simulators: Simulators;
let t: TestGateway;
/** A finished video of 8 s. */
let first: Json;

beforeAll(async () => {
  // Two services, so that choosing an account other than that of the source is possible.
  simulators = await startSimulators({ only: ['openai', 'vllm-omni'], scale: 0.005, limits: false });
  const { openai, 'vllm-omni': other } = simulators.urls;
  t = await startTestGateway(
    { MAIN_KEY: simulators.keys.openai ?? '', OTHER_KEY: simulators.keys['vllm-omni'] ?? '' },
    {
      file: `
models:
  # With links, so that there are links to give.
  sora-2: { typical: { medianSeconds: 1, p90Seconds: 2 }, delivery: url }
accounts:
  # Of two idle accounts with as many places the first in the file is chosen.
  other:
    provider: openai
    base_url: ${other}/v1
    api_key: { env: OTHER_KEY }
    models: [sora-2]
    limits: { in_flight: 1, min_poll_interval_ms: 100 }
  main:
    provider: openai
    base_url: ${openai}/v1
    api_key: { env: MAIN_KEY }
    models: [sora-2, sora-2-pro]
    limits: { in_flight: 1, min_poll_interval_ms: 100 }
`,
    },
  );
  const { body: busy } = await submit({ prompt: 'keeps the other account busy [hold]' });
  await eventually(() => expect(simulators.ledger.jobs({ upstream: 'vllm-omni' })).toHaveLength(1));
  first = await finished({ prompt: 'a paper boat', duration: 8, size: '720x1280' });
  await t.json(`/v1/video/generations/${busy.task_id}/cancel`, { method: 'POST' });
}, 60_000);
afterAll(async () => {
  await t.end();
  await simulators.close();
});

const submit = (body: Record<string, unknown>, key?: string) =>
  t.submit({ model: 'sora-2', ...body }, key === undefined ? {} : { key });

async function over(body: Record<string, unknown>): Promise<Json> {
  const { body: submitted } = await submit(body);
  expect(submitted.task_id, JSON.stringify(submitted)).toBeDefined();
  for (;;) {
    const { body: task } = await t.json(`/v1/video/generations/${submitted.task_id}?wait=30`);
    if (task.status === 'failed' || task.status === 'succeeded') return { ...task, notes: submitted.notes };
  }
}

async function finished(body: Record<string, unknown>): Promise<Json> {
  const task = await over(body);
  expect(task.status, JSON.stringify(task)).toBe('succeeded');
  return task;
}

/** The request that the upstream received. */
function jobOf(prompt: string): Json {
  const [job, ...more] = simulators
    .upstream('openai')
    .jobs.all()
    .filter((made) => made.prompt === prompt);
  expect(more).toEqual([]);
  return job;
}

const content = (id: string) => `/v1/video/generations/${id}/content`;

describe('video_url', () => {
  it.each([
    ['the bare id', () => first.task_id],
    ['the signed link', () => first.url],
    ['the content link', () => `${t.gateway.address}${content(first.task_id)}`],
    ['the path of the content', () => content(first.task_id)],
    ['the download link', () => `${t.gateway.address}/v1/video/generations/download?id=${first.task_id}`],
  ])('accepts %s of a finished task', async (what, link) => {
    const prompt = `now at night, by ${what}`;
    await finished({ prompt, video_url: link() });
    const source = jobOf('a paper boat');
    expect(jobOf(prompt).details).toMatchObject({ remixedFrom: source.id, seconds: 8, size: '720x1280' });
    // However idle another account is, this one has the source.
    expect(simulators.ledger.jobs({ upstream: 'vllm-omni' })).toHaveLength(1);
  });

  it('makes a video with its source’s format and length, which is what is charged and reported', async () => {
    const remix = await finished({ prompt: 'now in autumn', video_url: first.task_id });
    expect(remix).toMatchObject({ size: '720x1280', aspect_ratio: '9:16' });
    expect(remix.usage.cost).toBeCloseTo(first.usage.cost, 5);
    expect(remix.notes).toEqual(['Like its source, the video has 720x1280 and 8 s.']);
  });

  it('can extend the video instead, by the requested seconds', async () => {
    const extend = { provider_options: { openai: { operation: 'extend' } } };
    const longer = await finished({ prompt: 'it sinks', video_url: first.task_id, duration: 4, ...extend });
    expect(longer.duration).toBeCloseTo(12, 0);
    expect(jobOf('it sinks').details).toMatchObject({ seconds: 12, billedSeconds: 4 });
  });

  it('gives the same error for another project’s video as for a missing one', async () => {
    const made = await t.json('/v1/admin/keys', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'stranger', project: 'elsewhere' }),
    });
    const { key } = made.body;
    const answers = [];
    for (const link of [first.task_id, first.url, content(first.task_id), newTaskId(), '/media/0-1v.mp4']) {
      const { status, body } = await submit({ prompt: 'mine now', video_url: link }, key);
      answers.push([status, { ...body.error, request_id: '' }]);
    }
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]).toMatchObject([400, { code: 400, param: 'video_url', reason: 'invalid_request' }]);
  });

  it.each([
    ['a URL of elsewhere', 'https://example.com/video.mp4', 'made by this gateway'],
    ['our path at another host', `https://example.com${content(newTaskId())}`, 'made by this gateway'],
    ['our host, another path', '/healthz', 'made by this gateway'],
    ['no URL at all', 'boat.mp4', 'id of a finished task'],
    ['a number', 7, 'id of a finished task'],
  ])('refuses %s', async (_what, link, words) => {
    const { status, body } = await submit({ prompt: 'a boat', video_url: link });
    expect([status, body.error.param]).toEqual([400, 'video_url']);
    expect(body.error.message).toContain(words);
  });

  it('refuses a task that is unfinished, has failed, or was deleted', async () => {
    const { body: waiting } = await submit({ prompt: 'slowly [hold]' });
    const early = await submit({ prompt: 'a boat', video_url: waiting.task_id });
    expect([early.status, early.body.error.message]).toEqual([
      400,
      expect.stringMatching(/is (queued|in_progress); wait/),
    ]);

    const bad = await over({ prompt: 'it sinks at once [fail]' });
    expect(bad.status).toBe('failed');
    const failed = await submit({ prompt: 'a boat', video_url: bad.task_id });
    expect([failed.status, failed.body.error.message]).toEqual([400, expect.stringContaining('failed')]);

    const gone = await finished({ prompt: 'soon gone' });
    await t.call(`/v1/video/generations/${gone.task_id}`, { method: 'DELETE' });
    for (const link of [gone.task_id, content(gone.task_id)]) {
      const deleted = await submit({ prompt: 'a boat', video_url: link });
      expect([deleted.status, deleted.body.error.message]).toEqual([400, expect.stringContaining('deleted')]);
    }
  });

  it('refuses a video of another provider, and of another model if the upstream keeps the model', async () => {
    const preview = await t.finished(QUICK);
    const foreign = await submit({ prompt: 'a boat', video_url: preview.task_id });
    expect(foreign.status).toBe(400);
    expect(foreign.body.error.message).toContain('onetake-preview, made by Onetake');

    const pro = await submit({ model: 'sora-2-pro', prompt: 'a boat', video_url: first.task_id });
    expect([pro.status, pro.body.error.param]).toEqual([400, 'model']);
    expect(pro.body.error.message).toContain('set model to sora-2');
  });

  it('cannot be combined with an image', async () => {
    const { status, body } = await submit({ prompt: 'a boat', video_url: first.task_id, image: 'aGk=' });
    expect([status, body.error.param]).toEqual([400, 'image']);
  });
});
