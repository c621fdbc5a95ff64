import { readFile } from 'node:fs/promises';
import { type GenerateVideosConfig, GenerateVideosOperation, GoogleGenAI } from '@google/genai';
import { probe } from '@onetake/video';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Simulators, serviceAccountKey, startSimulators } from '../../src/index.ts';
import { png } from '../support/png.ts';

const MODEL = 'veo-3.1-fast-generate-001';

let simulators: Simulators;
let client: GoogleGenAI;
/** The last credentials of the SDK. */
let authorization: string;

beforeEach(async () => {
  simulators = await startSimulators({ only: ['vertex'] });
  client = clientOf(JSON.parse(await readFile(env('GOOGLE_APPLICATION_CREDENTIALS'), 'utf8')));
});

afterEach(() => simulators.close());

const env = (name: string): string => simulators.environment[name] ?? '';

/** google-auth-library uses Google's own token endpoint, whatever the key file says. So its transport is redirected. */
function clientOf(credentials: Record<string, string>, project = env('GOOGLE_CLOUD_PROJECT')): GoogleGenAI {
  const fetchImplementation = (_url: unknown, init?: RequestInit) => fetch(`${credentials.token_uri}`, init);
  return new GoogleGenAI({
    enterprise: true,
    project,
    location: env('GOOGLE_CLOUD_LOCATION'),
    googleAuthOptions: { credentials, clientOptions: { transporterOptions: { fetchImplementation } } },
    httpOptions: {
      baseUrl: env('GOOGLE_VERTEX_BASE_URL'),
      fetch: (input, init) => {
        authorization = new Headers(init?.headers).get('authorization') ?? '';
        return fetch(input, init);
      },
    },
  });
}

const start = (prompt: string, config: GenerateVideosConfig = {}, model = MODEL) =>
  client.models.generateVideos({ model, source: { prompt }, config });

async function finished(operation: GenerateVideosOperation): Promise<GenerateVideosOperation> {
  simulators.finishAll();
  return client.operations.getVideosOperation({ operation });
}

describe('@google/genai 3 against the Vertex AI simulator', () => {
  it('starts, polls until done, and finds the video inside the answer', async () => {
    let operation = await start('a paper boat [instant]', { durationSeconds: 4, generateAudio: true });
    expect(operation.name).toMatch(
      /^projects\/onetake-simulators\/locations\/us-central1\/publishers\/google\/models\/veo-3\.1-fast-generate-001\/operations\/[0-9a-f-]{36}$/,
    );
    while (!operation.done) operation = await client.operations.getVideosOperation({ operation });
    const { videoBytes = '' } = operation.response?.generatedVideos?.[0]?.video ?? {};
    expect(await probe(Buffer.from(videoBytes, 'base64'))).toEqual({
      width: 1280,
      height: 720,
      seconds: 4,
      fps: 24,
      codecs: ['h264', 'aac'],
    });
    expect(simulators.ledger.count({ operation: 'token' })).toBe(1);
  });

  it('polls with only the name of an operation', async () => {
    const { name = '' } = await start('a boat');
    const again = new GenerateVideosOperation();
    again.name = name;
    expect((await finished(again)).response?.generatedVideos).toHaveLength(1);
  });

  it('stores results in a bucket that accepts the same credentials', async () => {
    const operation = await finished(
      await start('a boat', { outputGcsUri: 'gs://videos/out', numberOfVideos: 2, durationSeconds: 4 }),
    );
    const uris = operation.response?.generatedVideos?.map(({ video }) => video?.uri ?? '') ?? [];
    expect(uris).toHaveLength(2);
    expect(uris[0]).toMatch(/^gs:\/\/videos\/out\/[0-9a-f-]{36}\/sample_0\.mp4$/);
    const object = encodeURIComponent((uris[0] ?? '').slice('gs://videos/'.length));
    const url = `${env('STORAGE_EMULATOR_HOST')}/storage/v1/b/videos/o/${object}?alt=media`;
    expect((await fetch(url)).status).toBe(401);
    const headers = { authorization };
    const whole = Buffer.from(await (await fetch(url, { headers })).arrayBuffer());
    expect((await probe(whole)).seconds).toBe(4);
    const part = await fetch(url, { headers: { ...headers, range: 'bytes=4-7' } });
    expect({ status: part.status, text: await part.text() }).toEqual({ status: 206, text: 'ftyp' });
    expect((await fetch(url.replace('sample_0', 'sample_7'), { headers })).status).toBe(404);
  });

  it('makes no sound unless requested', async () => {
    const operation = await finished(await start('a boat', { durationSeconds: 4 }));
    const { videoBytes = '' } = operation.response?.generatedVideos?.[0]?.video ?? {};
    expect((await probe(Buffer.from(videoBytes, 'base64'))).codecs).toEqual(['h264']);
  });

  it('extends a video, given as bytes or in a bucket, by seven seconds and no other duration', async () => {
    const inline = await finished(await start('a boat', { durationSeconds: 4 }));
    const stored = await finished(await start('a boat', { durationSeconds: 4, outputGcsUri: 'gs://videos' }));
    for (const { response } of [inline, stored]) {
      const video = { ...response?.generatedVideos?.[0]?.video, mimeType: 'video/mp4' };
      const extend = (durationSeconds: number) =>
        client.models.generateVideos({
          model: MODEL,
          source: { prompt: 'it sails on', video },
          config: { durationSeconds },
        });
      await expect(extend(8)).rejects.toThrow('supported durations are [7] for feature video_extension');
      const extended = await finished(await extend(7));
      const { videoBytes = '' } = extended.response?.generatedVideos?.[0]?.video ?? {};
      expect((await probe(Buffer.from(videoBytes, 'base64'))).seconds).toBe(11);
    }
  });

  it('accepts images and the parameters that only this service has', async () => {
    const image = { imageBytes: png(64, 36).toString('base64'), mimeType: 'image/png' };
    await client.models.generateVideos({
      model: MODEL,
      source: { prompt: 'a boat', image },
      config: { lastFrame: image, seed: 1, personGeneration: 'allow_adult' as never, negativePrompt: 'fog' },
    });
    await expect(start('a boat', { numberOfVideos: 5 })).rejects.toMatchObject({ status: 400 });
    await expect(start('a boat', { outputGcsUri: 'videos/out' })).rejects.toThrow('gs://');
  });

  it('filters all or some of the requested videos', async () => {
    const all = await finished(await start('a boat [filtered]'));
    expect(all.response?.generatedVideos).toBeUndefined();
    expect(all.response?.raiMediaFilteredReasons).toHaveLength(1);
    const part = await finished(await start('a boat [partial]', { numberOfVideos: 3, durationSeconds: 4 }));
    expect(part.response?.generatedVideos).toHaveLength(2);
    expect(part.response?.raiMediaFilteredCount).toBe(1);
  });

  it('refuses by account, with the statuses of google.rpc', async () => {
    const { accounts } = simulators.upstream('vertex');
    await expect(start('a boat', {}, 'veo-9')).rejects.toThrow('Publisher Model');
    accounts.set('default', 'forbidden');
    await expect(start('a boat')).rejects.toThrow('IAM_PERMISSION_DENIED');
    accounts.set('default', 'overdue');
    await expect(start('a boat')).rejects.toThrow('BILLING_DISABLED');
    accounts.set('default', 'quota_exhausted');
    const exhausted = start('a boat');
    await expect(exhausted).rejects.toMatchObject({ status: 429 });
    await expect(exhausted).rejects.toThrow('"quotaMetric":"aiplatform.googleapis.com/');
    accounts.set('default', 'revoked');
    await expect(start('a boat')).rejects.toMatchObject({ status: 401 });
    accounts.set('default');
    await expect(
      clientOf(serviceAccountKey(env('GOOGLE_VERTEX_BASE_URL'), 'nobody@example.com')).models.generateVideos({
        model: MODEL,
        source: { prompt: 'a boat' },
      }),
    ).rejects.toThrow('invalid_grant');
    const key = serviceAccountKey(env('GOOGLE_VERTEX_BASE_URL'), simulators.keys.vertex ?? '');
    await expect(
      clientOf(key, 'another').models.generateVideos({ model: MODEL, source: { prompt: 'a boat' } }),
    ).rejects.toMatchObject({ status: 403 });
  });

  it('refuses an expired token', async () => {
    const operation = await start('a boat [hold]');
    simulators.advance(3_600_001);
    await expect(client.operations.getVideosOperation({ operation })).rejects.toThrow('ACCESS_TOKEN_EXPIRED');
  });

  it('has no list of operations and no way to stop one', async () => {
    const { name = '' } = await start('a boat [hold]');
    for (const path of [`${name}:cancel`, name.replace(/\/[^/]+$/, '')]) {
      const response = await fetch(`${env('GOOGLE_VERTEX_BASE_URL')}/v1/${path}`, { method: 'POST' });
      expect(response.status).toBe(404);
    }
  });
});
