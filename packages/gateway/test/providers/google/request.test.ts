import type { IncomingMessage } from 'node:http';
import { buffer, json } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { InputRef, VideoRequest } from '../../../src/tasks/request.ts';
import { imageReferences } from '../../support/builders.ts';
import { sending } from '../../support/sending.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { aJob, handleOf, open, openAccount, type Service, signal } from './world.ts';

const PIXELS = Buffer.from('the bytes of an image');
const input = (mediaId: string, contentType = 'image/png'): InputRef => ({
  mediaId,
  contentType,
  bytes: PIXELS.length,
  width: 1280,
  height: 720,
});
const IMAGES = { first: PIXELS, last: PIXELS, cat: PIXELS };

interface Sent {
  readonly path: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

/** Starts a job at a server that accepts it, and returns what was sent. */
async function sent(
  service: Service,
  changes: Partial<VideoRequest>,
  more: Record<string, unknown> = {},
): Promise<Sent> {
  const seen: Sent[] = [];
  const server = await serve(async (request, response) => {
    if (request.url === '/token') {
      await buffer(request);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ access_token: 'ya29.simulated', expires_in: 3600 }));
      return;
    }
    seen.push({ path: request.url, headers: request.headers, body: await json(request) });
    response.end(JSON.stringify({ name: 'models/veo/operations/1' }));
  });
  const { env } = await open(service);
  const { provider } = await openAccount(env, { ...more, base_url: server.origin });
  onTestFinished(() => provider.close());
  const started = await provider.submit(aJob(service, changes, IMAGES), sending(signal()));
  expect(started).toEqual({ upstreamId: 'models/veo/operations/1', state: 'in_progress' });
  const [only] = seen;
  if (!only || seen.length > 1) throw new Error(`${seen.length} requests`);
  return only;
}

describe('a request to the Gemini API', () => {
  it('goes to the model with the key in a header and every parameter that the service takes', async () => {
    const { path, headers, body } = await sent('gemini', {
      prompt: 'a paper boat',
      negativePrompt: 'fog',
      duration: 6,
      aspectRatio: '9:16',
      personGeneration: 'allow_adult',
      seed: 7,
      generateAudio: true,
    });
    expect(path).toBe('/v1beta/models/veo-3.1-fast-generate-preview:predictLongRunning');
    expect(headers['x-goog-api-key']).toBe('gemini-default-key');
    // Neither seed nor audio, because the service has no parameter for them.
    expect(body).toEqual({
      instances: [{ prompt: 'a paper boat' }],
      parameters: {
        durationSeconds: 6,
        resolution: '720p',
        aspectRatio: '9:16',
        negativePrompt: 'fog',
        personGeneration: 'allow_adult',
        sampleCount: 1,
      },
    });
  });

  it('has first and last frames, or reference images, as base64', async () => {
    const image = { bytesBase64Encoded: PIXELS.toString('base64'), mimeType: 'image/png' };
    expect((await sent('gemini', { image: input('first'), lastFrame: input('last') })).body).toMatchObject({
      instances: [{ image, lastFrame: image }],
    });
    const { body } = await sent('gemini', {
      references: imageReferences(input('cat'), input('cat', 'image/jpeg')),
    });
    expect(body).toMatchObject({
      instances: [
        {
          referenceImages: [
            { image, referenceType: 'asset' },
            { image: { ...image, mimeType: 'image/jpeg' }, referenceType: 'asset' },
          ],
        },
      ],
    });
  });

  it('names the video to extend by its file, with the eight seconds that the service requires', async () => {
    const ref = 'https://generativelanguage.googleapis.com/v1beta/files/abc:download?alt=media';
    const source = { taskId: 'video_1', accountId: 'google', upstreamId: 'models/veo/operations/0', ref };
    const { body } = await sent('gemini', { source, videoUrl: 'https://example.com/x.mp4', duration: 7 });
    expect(body).toMatchObject({ instances: [{ video: { uri: ref } }], parameters: { durationSeconds: 8 } });
  });

  it('takes no provider options that determine the price or where results are stored', async () => {
    const { provider } = await open('gemini');
    const providerOptions = {
      parameters: {
        enhancePrompt: true,
        sampleCount: 4,
        durationSeconds: 8,
        resolution: '4k',
        storageUri: 'gs://x',
      },
      instances: [{ prompt: 'another' }],
      webhookConfig: { uris: ['https://example.com'] },
    };
    const { request, upstreamModel } = aJob('gemini', { providerOptions });
    expect(provider.refusedOptions(request, upstreamModel)).toEqual([
      'parameters.sampleCount',
      'parameters.durationSeconds',
      'parameters.resolution',
      'parameters.storageUri',
      'instances',
      'webhookConfig',
    ]);
  });

  it('passes other provider options on', async () => {
    const { body } = await sent('gemini', { providerOptions: { parameters: { enhancePrompt: true } } });
    expect(body).toEqual({
      instances: [{ prompt: 'a paper boat' }],
      parameters: {
        durationSeconds: 4,
        resolution: '720p',
        aspectRatio: '16:9',
        enhancePrompt: true,
        sampleCount: 1,
      },
    });
  });
});

describe('a request to Vertex AI', () => {
  it('goes to the model of the project with a token, and has audio and seed too', async () => {
    const { path, headers, body } = await sent(
      'vertex',
      { seed: 7, generateAudio: true },
      { storage_uri: 'gs://videos/out' },
    );
    expect(path).toBe(
      '/v1/projects/onetake-simulators/locations/us-central1/publishers/google/models/veo-3.1-fast-generate-001:predictLongRunning',
    );
    expect(headers.authorization).toMatch(/^Bearer ya29\./);
    expect(body).toEqual({
      instances: [{ prompt: 'a paper boat' }],
      parameters: {
        durationSeconds: 4,
        resolution: '720p',
        aspectRatio: '16:9',
        generateAudio: true,
        seed: 7,
        storageUri: 'gs://videos/out',
        sampleCount: 1,
      },
    });
  });

  it('names the video to extend by its object, with the seven seconds that the service requires', async () => {
    const source = { taskId: 'video_1', accountId: 'google', upstreamId: 'x', ref: 'gs://videos/out/a.mp4' };
    const { body } = await sent('vertex', { source, duration: 7 });
    expect(body).toMatchObject({
      instances: [{ video: { gcsUri: 'gs://videos/out/a.mp4', mimeType: 'video/mp4' } }],
      parameters: { durationSeconds: 7 },
    });
  });
});

describe('an extension', () => {
  it.each<[Service, Record<string, unknown>]>([
    ['gemini', {}],
    ['vertex', {}],
    ['vertex', { storage_uri: 'gs://videos' }],
  ])('is accepted by %s %o, from a video of an earlier task', async (service, more) => {
    const { simulators, provider } = await open(service, more);
    const first = aJob(service, { duration: 8 });
    const { upstreamId } = await provider.submit(first, sending(signal()));
    simulators.finishAll();
    const answer = await provider.poll(handleOf(first, upstreamId), signal());
    if (answer.state !== 'succeeded') throw new Error(answer.state);
    const source = { taskId: first.taskId, accountId: 'google', upstreamId, ref: answer.result.ref };
    expect(JSON.stringify(source).length).toBeLessThan(1000);
    const next = aJob(service, { duration: 7, source });
    const extended = await provider.submit(next, sending(signal()));
    simulators.finishAll();
    expect((await provider.poll(handleOf(next, extended.upstreamId), signal())).state).toBe('succeeded');
    expect(simulators.ledger.jobs().map(({ bills }) => bills.map(({ quantity }) => quantity))).toEqual([
      [8],
      [7],
    ]);
  });

  it('of a video that this gateway did not make is refused before anything is sent', async () => {
    const { simulators, provider } = await open('gemini');
    await expect(
      provider.submit(aJob('gemini', { videoUrl: 'https://example.com/x.mp4' }), sending(signal())),
    ).rejects.toMatchObject({
      reason: 'invalid_request',
      created: 'no',
      message: expect.stringContaining('video_url'),
    });
    expect(simulators.ledger.count()).toBe(0);
  });

  it('of a deleted video is refused before anything is submitted', async () => {
    const { simulators, provider, env } = await open('vertex');
    const path = `projects/${env.GOOGLE_CLOUD_PROJECT}/locations/us-central1/publishers/google/models/veo-3.1-fast-generate-001`;
    const source = {
      taskId: 'video_1',
      accountId: 'google',
      upstreamId: `${path}/operations/1`,
      ref: 'inline',
    };
    await expect(provider.submit(aJob('vertex', { source }), sending(signal()))).rejects.toMatchObject({
      reason: 'invalid_request',
      created: 'no',
      message: 'The video to extend is no longer there.',
    });
    expect(simulators.ledger.count({ operation: 'submit' })).toBe(0);
  });
});
