import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GoogleGenAI } from '@google/genai';
import { probe } from '@onetake/video';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Simulators, startSimulators } from '../../src/index.ts';
import { png } from '../support/png.ts';

const MODEL = 'gemini-omni-1.1-flash';

let simulators: Simulators;
let folder: string;
let client: GoogleGenAI;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onetake-omni-'));
  simulators = await startSimulators({ only: ['gemini'] });
  const { GEMINI_API_KEY: apiKey = '', GOOGLE_GEMINI_BASE_URL: baseUrl = '' } = simulators.environment;
  client = new GoogleGenAI({ apiKey, httpOptions: { baseUrl } });
});

afterEach(async () => {
  await simulators.close();
  await rm(folder, { recursive: true, force: true });
});

type Params = Parameters<GoogleGenAI['interactions']['create']>[0];

/** Only what Google's own guide shows, besides `background`. */
const start = (input: unknown, format: Record<string, unknown> = {}, more: Record<string, unknown> = {}) =>
  client.interactions.create({
    model: MODEL,
    input,
    background: true,
    response_format: { type: 'video', delivery: 'uri', ...format },
    ...more,
  } as Params & { stream?: false });

async function finished(id: string) {
  simulators.finishAll();
  return client.interactions.get(id);
}

const image = { type: 'image', data: png(64, 36).toString('base64'), mime_type: 'image/png' };
const text = { type: 'text', text: 'a paper boat' };

describe('@google/genai 3 at the Interactions API of the Gemini simulator', () => {
  it('starts, polls until it is completed, and downloads an MP4 of the requested size and length', async () => {
    const created = await start('a paper boat', { duration: '3s', resolution: '360p', aspect_ratio: '9:16' });
    expect(created).toMatchObject({ status: 'in_progress', object: 'interaction', model: MODEL });
    const running = await client.interactions.get(created.id);
    expect(running.status).toBe('in_progress');
    const { output_video: video, usage, ...done } = await finished(created.id);
    expect(done).toMatchObject({ id: created.id, status: 'completed' });
    expect(usage?.output_tokens_by_modality).toEqual([{ modality: 'video', tokens: 5793 }]);
    const name = /files\/\w+/.exec(video?.uri ?? '')?.[0] ?? '';
    expect(await client.files.get({ name })).toMatchObject({ state: 'ACTIVE' });
    const downloadPath = join(folder, 'video.mp4');
    await client.files.download({ file: name.replace('files/', ''), downloadPath });
    expect(await probe(await readFile(downloadPath))).toMatchObject({ width: 360, height: 640, seconds: 3 });
    const [job] = simulators.ledger.jobs();
    expect(job?.bills).toMatchObject([{ quantity: 3, unit: 'seconds' }]);
    expect(job?.bills[0]?.usd).toBeCloseTo(0.1014, 4);
  });

  it('delivers the bytes inside the answer unless asked for a link, and repeats the input in every answer', async () => {
    const created = await start([image, text], { delivery: 'inline', duration: '3s' });
    const { id } = created;
    for (const answer of [created, await client.interactions.get(id)])
      expect(answer.steps?.[0]).toMatchObject({ type: 'user_input', content: [image, text] });
    const { output_video: video } = await finished(id);
    expect(video?.uri).toBeUndefined();
    expect((await probe(Buffer.from(video?.data ?? '', 'base64'))).seconds).toBe(3);
  });

  it('takes frames and references by their task, and refuses what the service refuses, in its words', async () => {
    const task = (name: string) => ({ generation_config: { video_config: { task: name } } });
    await start([image, image, text], { duration: '10s' }, task('image_to_video'));
    await start([{ type: 'user_input', content: [image, text] }], {}, task('reference_to_video'));
    const refusal = (...request: Parameters<typeof start>) => expect(start(...request)).rejects;
    await refusal('x', { aspect_ratio: '1:7' }).toThrow(
      "The value '1:7' is not supported for 'response_format.aspect_ratio'. Supported values: '16:9', '9:16'.",
    );
    await refusal('x', { duration: '2s' }).toThrow('less than the minimum allowed 3s');
    await refusal('x', { duration: '11s' }).toThrow('exceeds the maximum allowed 10s');
    await refusal('x', { duration: '4' }).toThrow("Invalid input at 'response_format'");
    await refusal('x', {}, { store: false }).toThrow('store=true is required for background interactions');
    await refusal('x', {}, task('image_to_video')).toThrow('does not fit');
    await refusal('x [moderation-input]').toThrow('blocked');
    await refusal('x', {}, { model: 'gemini-omni-flash-preview' }).toThrow('no longer available');
    expect(simulators.ledger.jobs()).toHaveLength(2);
  });

  it('makes up to 15 seconds with 1.2, but no more than 10 between two frames', async () => {
    const model = 'gemini-omni-1.2-flash';
    await start('a paper boat', { duration: '15s' }, { model });
    const between = { model, generation_config: { video_config: { task: 'image_to_video' } } };
    await expect(start([image, image, text], { duration: '11s' }, between)).rejects.toThrow(
      'exceeds the maximum allowed 10s',
    );
  });

  it('completes without a video what the model declines, and does not bill it', async () => {
    const { id } = await start('a paper boat [moderation]');
    const { status, output_video: video, output_text: said } = await finished(id);
    expect({ status, video }).toEqual({ status: 'completed', video: undefined });
    expect(said).toContain('safety');
    expect(simulators.ledger.bills()).toBe(0);
  });

  it('says why an interaction failed, and cancels one that runs', async () => {
    const failing = await start('a paper boat [fail]');
    expect(await finished(failing.id)).toMatchObject({ status: 'failed', errors: [{ code: 'internal' }] });
    const { id } = await start('a paper boat [hold]');
    expect(await client.interactions.cancel(id)).toMatchObject({ id, status: 'cancelled' });
    expect(await client.interactions.get(id)).toMatchObject({ status: 'cancelled' });
    await expect(client.interactions.cancel(failing.id)).rejects.toThrow('still running');
    await client.interactions.delete(id);
    await expect(client.interactions.get(id)).rejects.toThrow(`Invalid interaction name: interactions/${id}`);
  });
});
