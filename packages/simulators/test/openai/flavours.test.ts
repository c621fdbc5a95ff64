import { probe } from '@onetake/video';
import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Simulators, startSimulators } from '../../src/index.ts';

let simulators: Simulators;

beforeEach(async () => {
  simulators = await startSimulators({ only: ['azure', 'vllm-omni', 'sglang'] });
});
afterEach(() => simulators.close());

describe('Azure', () => {
  const client = () =>
    new OpenAI({
      baseURL: simulators.environment.AZURE_OPENAI_BASE_URL,
      apiKey: simulators.environment.AZURE_OPENAI_API_KEY,
      maxRetries: 0,
    });

  it('accepts the key in its own header or as a bearer token', async () => {
    const list = (headers: Record<string, string>) =>
      fetch(`${simulators.environment.AZURE_OPENAI_BASE_URL}/videos`, { headers });
    expect((await list({ 'api-key': simulators.keys.azure ?? '' })).status).toBe(200);
    expect((await list({ authorization: `Bearer ${simulators.keys.azure}` })).status).toBe(200);
    expect((await list({ 'api-key': 'wrong' })).status).toBe(401);
  });

  it('runs two jobs at a time and refuses the third with its own message', async () => {
    await client().videos.create({ prompt: 'one [hold]' });
    await client().videos.create({ prompt: 'two [hold]' });
    await expect(client().videos.create({ prompt: 'three' })).rejects.toMatchObject({
      status: 429,
      error: {
        message: 'Too many running tasks',
        type: 'video_generation_user_error',
        param: null,
        code: null,
      },
    });
    simulators.finishAll();
    expect((await client().videos.create({ prompt: 'three' })).status).toBe('queued');
  });

  it('makes only 720p, with a deployment that exists', async () => {
    const create = (extra: object) => client().videos.create({ prompt: 'a boat', ...extra });
    await expect(create({ model: 'sora-2-pro', size: '1792x1024' })).rejects.toMatchObject({ status: 400 });
    await expect(create({ seconds: '16' })).rejects.toMatchObject({ status: 400 });
    await expect(create({ model: 'mine' })).rejects.toMatchObject({
      status: 404,
      message: expect.stringContaining("The API deployment 'mine' for this resource does not exist."),
    });
  });
});

describe('vLLM-Omni', () => {
  const client = () =>
    new OpenAI({
      baseURL: simulators.environment.VLLM_OMNI_BASE_URL,
      apiKey: simulators.environment.VLLM_OMNI_API_KEY,
      maxRetries: 0,
    });

  it('makes any size and length, with its own fields, unbilled', async () => {
    const { id } = await client().videos.create({
      prompt: 'a boat',
      // The SDK's types do not have its own fields and values.
      ...({ width: 640, height: 360, num_frames: 48, fps: 16, seed: 7 } as object),
    });
    expect(id).toMatch(/^video_gen_[0-9a-f]{32}$/);
    simulators.finishAll();
    expect(await client().videos.retrieve(id)).toMatchObject({
      status: 'completed',
      size: '640x360',
      seconds: '3',
      expires_at: null,
      file_name: `${id}.mp4`,
    });
    const bytes = Buffer.from(await (await client().videos.downloadContent(id)).arrayBuffer());
    expect(await probe(bytes)).toMatchObject({ width: 640, height: 360, seconds: 3, codecs: ['h264'] });
    expect(simulators.ledger.bills()).toBe(0);
  });

  it('cancels by deletion, runs one job at a time, and forgets all jobs at a restart', async () => {
    const first = await client().videos.create({ prompt: 'one [hold]' });
    simulators.advance(60_000);
    const second = await client().videos.create({ prompt: 'two [hold]' });
    simulators.advance(60_000);
    expect((await client().videos.retrieve(second.id)).status).toBe('queued');
    await client().videos.delete(first.id);
    expect((await client().videos.retrieve(second.id)).status).toBe('in_progress');
    const { jobs } = simulators.upstream('vllm-omni');
    for (const job of jobs.all()) jobs.remove(job);
    await expect(client().videos.retrieve(second.id)).rejects.toMatchObject({
      status: 404,
      error: { type: 'NotFoundError', code: 404 },
    });
  });
});

describe('SGLang Diffusion', () => {
  const client = () =>
    new OpenAI({
      baseURL: simulators.environment.SGLANG_BASE_URL,
      apiKey: simulators.environment.SGLANG_API_KEY,
      maxRetries: 0,
    });

  it('makes any size, from a form or from JSON whose texts are converted, and shows no prompt', async () => {
    const asked = { prompt: 'a boat', seconds: '2', size: '640x360', seed: 7 };
    // The SDK's types do not have its own fields and values.
    const form = await client().videos.create(asked as unknown as OpenAI.VideoCreateParams);
    const json = await client().post('/videos', { body: asked });
    expect(json).toMatchObject({ status: 'queued', size: '640x360', seconds: '2' });
    simulators.finishAll();
    const job = await client().videos.retrieve(form.id);
    expect(job).toMatchObject({ status: 'completed', file_path: expect.any(String), url: null });
    expect(job).not.toHaveProperty('prompt');
    const bytes = Buffer.from(await (await client().videos.downloadContent(form.id)).arrayBuffer());
    expect(await probe(bytes)).toMatchObject({ width: 640, height: 360, seconds: 2 });
    expect(simulators.ledger.bills()).toBe(0);
  });

  it.each([
    ['no prompt', { prompt: '' }, /prompt/],
    ['a size that is none', { prompt: 'a boat', size: '720p' }, /size/],
    ['a length that is no whole number', { prompt: 'a boat', seconds: 'four' }, /seconds/],
  ])('refuses %s, with a detail', async (_what, body, words) => {
    await expect(client().post('/videos', { body })).rejects.toMatchObject({
      status: 400,
      error: { detail: expect.stringMatching(words) },
    });
    expect(simulators.ledger.jobs({ upstream: 'sglang' })).toEqual([]);
  });

  it('forgets a deleted job, which goes on and keeps its place', async () => {
    const first = await client().videos.create({ prompt: 'one [hold]' });
    simulators.advance(60_000);
    const second = await client().videos.create({ prompt: 'two [hold]' });
    await client().videos.delete(first.id);
    await expect(client().videos.retrieve(first.id)).rejects.toMatchObject({ status: 404 });
    simulators.advance(60_000);
    expect((await client().videos.retrieve(second.id)).status).toBe('queued');
    expect((await client().videos.list({ after: first.id })).data).toEqual([]);
  });

  it('has only the link of a video that went to cloud storage', async () => {
    simulators.upstream('sglang').configure({ cloudStorage: true });
    const { id } = await client().videos.create({ prompt: 'a boat' });
    simulators.finishAll();
    await expect(client().videos.downloadContent(id)).rejects.toMatchObject({ status: 400 });
    const { url } = (await client().videos.retrieve(id)) as unknown as { url: string };
    expect((await fetch(url)).status).toBe(200);
  });
});
