import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGoogle } from '@ai-sdk/google';
import { GoogleGenAI as GoogleGenAI3 } from '@google/genai';
import { probe } from '@onetake/video';
import { type GenerateVideosConfig, type GenerateVideosOperation, GoogleGenAI } from 'google-genai-2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Simulators, startSimulators } from '../../src/index.ts';
import { png } from '../support/png.ts';

const MODEL = 'veo-3.1-fast-generate-preview';

let simulators: Simulators;
let folder: string;
let client: GoogleGenAI;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onetake-gemini-'));
  simulators = await startSimulators({ only: ['gemini'] });
  client = clientWith(key());
});

afterEach(async () => {
  await simulators.close();
  await rm(folder, { recursive: true, force: true });
});

const key = (): string => simulators.environment.GEMINI_API_KEY ?? '';
const base = (): string => simulators.environment.GOOGLE_GEMINI_BASE_URL ?? '';
const clientWith = (apiKey: string) =>
  new GoogleGenAI({ vertexai: false, apiKey, httpOptions: { baseUrl: base() } });

const start = (prompt: string, config: GenerateVideosConfig = {}, model = MODEL) =>
  client.models.generateVideos({ model, source: { prompt }, config });

async function finished(operation: GenerateVideosOperation): Promise<GenerateVideosOperation> {
  simulators.finishAll();
  return client.operations.getVideosOperation({ operation });
}

/** The SDK reads names only from https URLs, but the simulator uses http, so the name is passed. */
async function download({ response }: GenerateVideosOperation): Promise<Buffer> {
  const uri = response?.generatedVideos?.[0]?.video?.uri ?? '';
  const [file = ''] = /files\/[a-z0-9]+/.exec(uri) ?? [];
  const downloadPath = join(folder, 'video.mp4');
  await client.files.download({ file, downloadPath });
  return readFile(downloadPath);
}

const image = { imageBytes: png(64, 36).toString('base64'), mimeType: 'image/png' };

describe('@google/genai 2 against the Gemini API simulator', () => {
  it('starts, polls until done, and downloads an MP4 of the requested size and length', async () => {
    let operation = await start('a paper boat [instant]', { durationSeconds: 4, resolution: '720p' });
    expect(operation.name).toMatch(/^models\/veo-3\.1-fast-generate-preview\/operations\/[a-z0-9]{12}$/);
    expect(operation.done).toBeUndefined();
    while (!operation.done) operation = await client.operations.getVideosOperation({ operation });
    expect(await probe(await download(operation))).toEqual({
      width: 1280,
      height: 720,
      seconds: 4,
      fps: 24,
      codecs: ['h264', 'aac'],
    });
    expect(simulators.ledger.count({ upstream: 'gemini', operation: 'submit' })).toBe(1);
    const [job] = simulators.ledger.jobs();
    expect(job?.bills).toEqual([{ quantity: 4, unit: 'seconds', usd: 0.4 }]);
  });

  it('accepts first and last frames or reference images, and refuses what the documentation excludes', async () => {
    const withImages = (source: { image?: typeof image }, config: GenerateVideosConfig) =>
      client.models.generateVideos({ model: MODEL, source: { prompt: 'a boat', ...source }, config });
    const references = [{ image, referenceType: 'ASSET' as never }];
    await withImages({ image }, { lastFrame: image });
    await withImages({}, { referenceImages: [{ image, referenceType: 'asset' as never }] });
    await expect(withImages({}, { lastFrame: image })).rejects.toMatchObject({ status: 400 });
    await expect(withImages({ image }, { referenceImages: references })).rejects.toMatchObject({
      status: 400,
    });
    await expect(withImages({ image }, { personGeneration: 'allow_all' as never })).rejects.toMatchObject({
      status: 400,
    });
    await expect(start('a boat', { resolution: '1080p', durationSeconds: 4 })).rejects.toThrow(
      'supported durations are [8]',
    );
    await expect(start('a boat', { durationSeconds: 5 })).rejects.toThrow('supported durations are [4,6,8]');
    await expect(start('a boat', { aspectRatio: '1:1' })).rejects.toMatchObject({ status: 400 });
    await expect(start('a boat', { numberOfVideos: 2 })).rejects.toThrow('sampleCount');
    await expect(
      start('a boat', { resolution: '4k' }, 'veo-3.1-lite-generate-preview'),
    ).rejects.toMatchObject({ status: 400 });
    await expect(start('', {})).rejects.toMatchObject({ status: 400 });
  });

  it('extends its own video by seven seconds', async () => {
    const operation = await finished(await start('a boat', { durationSeconds: 8 }));
    const source = operation.response?.generatedVideos?.[0]?.video;
    if (!source) throw new Error('no video');
    const extend = (config: GenerateVideosConfig) =>
      client.models.generateVideos({
        model: MODEL,
        source: { prompt: 'it sails on', video: source },
        config,
      });
    await expect(extend({ durationSeconds: 6 })).rejects.toThrow('video_extension');
    await expect(extend({ resolution: '1080p' })).rejects.toThrow('720p');
    const extended = await finished(await extend({ durationSeconds: 8, resolution: '720p' }));
    expect((await probe(await download(extended))).seconds).toBe(15);
  });

  it('ends a filtered operation as done, without a video and with reasons, unbilled', async () => {
    const { done, error, response } = await finished(await start('a boat [filtered]'));
    expect({ done, error }).toEqual({ done: true, error: undefined });
    expect(response?.generatedVideos).toBeUndefined();
    expect(response?.raiMediaFilteredCount).toBe(1);
    expect(response?.raiMediaFilteredReasons?.[0]).toContain('Support codes');
    const partial = await finished(await start('a boat [partial]'));
    expect(partial.response?.generatedVideos).toHaveLength(1);
    expect(partial.response?.raiMediaFilteredCount).toBe(1);
    expect(simulators.ledger.bills()).toBe(1);
  });

  it('ends failures with a code of google.rpc', async () => {
    const codeOf = async (prompt: string) => (await finished(await start(prompt))).error?.code;
    expect(await codeOf('a boat [moderation]')).toBe(3);
    expect(await codeOf('a boat [invalid]')).toBe(3);
    for (const failureCode of [8, 13, 14]) {
      simulators.upstream('gemini').configure({ failureCode });
      expect(await codeOf('a boat [fail]')).toBe(failureCode);
    }
    expect(simulators.ledger.bills()).toBe(0);
  });

  it('refuses by account: a wrong key with 400, a full quota with 429 and, by the minute, with RetryInfo', async () => {
    await expect(start('a boat [moderation-input]')).rejects.toThrow('usage guidelines');
    await expect(start('a boat', {}, 'veo-3.0-generate-001')).rejects.toThrow('no longer available');
    await expect(start('a boat', {}, 'veo-9')).rejects.toThrow('is not found for API version');
    const { accounts } = simulators.upstream('gemini');
    accounts.set('default', 'revoked');
    const wrong = start('a boat');
    await expect(wrong).rejects.toMatchObject({ status: 400 });
    await expect(wrong).rejects.toThrow('API_KEY_INVALID');
    accounts.set('default', 'forbidden');
    await expect(start('a boat')).rejects.toMatchObject({ status: 403 });
    accounts.set('default', 'overdue');
    await expect(start('a boat')).rejects.toThrow('FAILED_PRECONDITION');
    accounts.set('default', 'quota_exhausted');
    await expect(start('a boat')).rejects.toThrow('PerDay');
    accounts.set('default');
    simulators.upstream('gemini').configure({ retired: true });
    await expect(start('a boat')).rejects.toThrow('no longer available');
    simulators.upstream('gemini').configure({ retired: false });
    const burst = await Promise.allSettled(Array.from({ length: 30 }, () => start('a boat')));
    const refused = burst.find((outcome) => outcome.status === 'rejected');
    expect(String(refused?.reason)).toMatch(/RESOURCE_EXHAUSTED.*retryDelay/s);
  });

  it('checks late if so configured, and the operation ends with code 3', async () => {
    simulators.upstream('gemini').configure({ lateChecks: true });
    const { error } = await finished(await start('a boat', { durationSeconds: 5 }));
    expect(error).toMatchObject({ code: 3, message: expect.stringContaining('supported durations') });
  });

  it('keeps files for two days, and answers the same for missing and foreign files', async () => {
    const operation = await finished(await start('a boat'));
    const uri = operation.response?.generatedVideos?.[0]?.video?.uri ?? '';
    const get = (apiKey: string) => fetch(uri, { headers: { 'x-goog-api-key': apiKey } });
    expect((await get(key())).status).toBe(200);
    expect((await fetch(uri)).status).toBe(403);
    expect((await get('another')).status).toBe(400);
    expect((await get(simulators.upstream('gemini').accounts.set('other').key)).status).toBe(403);
    simulators.advance(2 * 24 * 3_600_000);
    expect((await get(key())).status).toBe(403);
    await expect(client.operations.getVideosOperation({ operation })).rejects.toMatchObject({ status: 404 });
  });

  it('redirects downloads to storage, which accepts ranges and needs no credentials', async () => {
    const operation = await finished(await start('a boat'));
    const uri = operation.response?.generatedVideos?.[0]?.video?.uri ?? '';
    const redirected = await fetch(uri, { headers: { 'x-goog-api-key': key() }, redirect: 'manual' });
    expect(redirected.status).toBe(302);
    const location = redirected.headers.get('location') ?? '';
    expect(new URL(location).origin).toBe(simulators.upstream('gemini').storageUrl);
    const part = await fetch(location, { headers: { range: 'bytes=4-7' } });
    expect(part.status).toBe(206);
    expect(await part.text()).toBe('ftyp');
    expect((await fetch(location, { headers: { authorization: 'Bearer x' } })).status).toBe(400);
    simulators.upstream('gemini').configure({ redirectDownloads: false });
    expect((await fetch(uri, { headers: { 'x-goog-api-key': key() }, redirect: 'manual' })).status).toBe(200);
  });
});

describe('@google/genai 3 against the Gemini API simulator', () => {
  it('no longer makes videos there, and refuses before anything is sent', async () => {
    const next = new GoogleGenAI3({ enterprise: false, apiKey: key(), httpOptions: { baseUrl: base() } });
    await expect(next.models.generateVideos({ model: MODEL, source: { prompt: 'a boat' } })).rejects.toThrow(
      'only supported by',
    );
    expect(simulators.ledger.count({ operation: 'submit' })).toBe(0);
  });
});

describe('@ai-sdk/google against the Gemini API simulator', () => {
  it('starts, polls, and returns a working link', async () => {
    const model = createGoogle({ apiKey: key(), baseURL: `${base()}/v1beta` }).video(MODEL);
    if (!model.doStart || !model.doStatus) throw new Error('not resumable');
    const asked = {
      prompt: 'a boat',
      n: 1,
      duration: 4,
      resolution: '1280x720',
      aspectRatio: '16:9',
      fps: undefined,
      seed: 7,
      image: undefined,
      frameImages: undefined,
      inputReferences: undefined,
      generateAudio: undefined,
      providerOptions: {},
    } as const;
    const { operation } = await model.doStart(asked);
    expect((await model.doStatus({ operation })).status).toBe('pending');
    simulators.finishAll();
    const status = await model.doStatus({ operation });
    if (status.status !== 'completed') throw new Error(status.status);
    const [video] = status.videos;
    if (video?.type !== 'url') throw new Error('no link');
    const response = await fetch(video.url);
    expect((await probe(Buffer.from(await response.arrayBuffer()))).seconds).toBe(4);
  });
});
