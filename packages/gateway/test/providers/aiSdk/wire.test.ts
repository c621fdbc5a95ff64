import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import type { VideoRequest } from '../../../src/tasks/request.ts';
import { sending } from '../../support/sending.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { anImage, openWith, type Service, soon, starting } from './world.ts';

const KEY = 'key-of-the-account';
const PNG = 'data:image/png;base64,';
const base64 = (words: string): string => Buffer.from(words).toString('base64');

/** How each service is reached, and its shortest answer to a submission. */
const SPOKEN: Record<Service, { env: (origin: string) => Record<string, string>; answer: unknown }> = {
  xai: {
    env: (origin) => ({ XAI_API_KEY: KEY, XAI_BASE_URL: `${origin}/v1` }),
    answer: { request_id: 'r1' },
  },
  minimax: {
    env: (origin) => ({ MINIMAX_API_KEY: KEY, MINIMAX_VIDEO_BASE_URL: origin }),
    answer: { task_id: '1' },
  },
  replicate: {
    env: (origin) => ({ REPLICATE_API_TOKEN: KEY, REPLICATE_BASE_URL: `${origin}/v1` }),
    answer: { id: 'p1', status: 'starting', urls: { get: 'http://127.0.0.1:1/v1/predictions/p1' } },
  },
  fal: {
    env: (origin) => ({ FAL_KEY: KEY, FAL_QUEUE_URL: origin }),
    answer: { request_id: 'q1', response_url: 'https://queue.fal.run/fal-ai/veo3.1/requests/q1' },
  },
};

interface Sent {
  readonly path: string | undefined;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

/** What one submission sends. */
async function sent(
  service: Service,
  change: Partial<VideoRequest> & { upstreamModel?: string },
): Promise<Sent> {
  const { env, answer } = SPOKEN[service];
  const arrived = Promise.withResolvers<{ request: IncomingMessage; body: string }>();
  const server = await serve(async (request, response) => {
    arrived.resolve({ request, body: await text(request) });
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  });
  const provider = await openWith(service, env(server.origin));
  await provider.submit(starting(service, change), sending(soon()));
  const { request, body } = await arrived.promise;
  expect(server.requests).toHaveLength(1);
  return { path: request.url, authorization: request.headers.authorization, body: JSON.parse(body) };
}

const ALL = {
  prompt: 'a paper boat',
  duration: 6,
  resolution: '720p',
  aspectRatio: '9:16',
  width: 720,
  height: 1280,
} as const;

describe('on the wire', () => {
  it('xAI gets names of resolution and ratio, images as data URLs, and audio on or off', async () => {
    expect(
      await sent('xai', {
        ...ALL,
        upstreamModel: 'grok-imagine-video-1.5',
        image: anImage('first'),
        lastFrame: anImage('last'),
        generateAudio: false,
      }),
    ).toEqual({
      path: '/v1/videos/generations',
      authorization: `Bearer ${KEY}`,
      body: {
        model: 'grok-imagine-video-1.5',
        prompt: 'a paper boat',
        duration: 6,
        aspect_ratio: '9:16',
        resolution: '720p',
        generate_audio: false,
        image: { url: PNG + base64('first') },
        last_frame: { url: PNG + base64('last') },
      },
    });
  });

  it('xAI gets reference images in a member of their own', async () => {
    const { body } = await sent('xai', { ...ALL, referenceImages: [anImage('one'), anImage('two')] });
    expect(body).toMatchObject({
      reference_images: [{ url: PNG + base64('one') }, { url: PNG + base64('two') }],
    });
    expect(body).not.toHaveProperty('image');
  });

  it('MiniMax gets a list of content, its own tier, and no ratio together with a frame', async () => {
    expect(
      await sent('minimax', {
        ...ALL,
        upstreamModel: 'MiniMax-H3',
        image: anImage('first'),
        lastFrame: anImage('last'),
        watermark: true,
        generateAudio: true,
      }),
    ).toEqual({
      path: '/v2/video_generation',
      authorization: `Bearer ${KEY}`,
      body: {
        model: 'MiniMax-H3',
        content: [
          { type: 'text', text: 'a paper boat' },
          { type: 'image_url', image_url: { url: PNG + base64('first') }, role: 'first_frame' },
          { type: 'image_url', image_url: { url: PNG + base64('last') }, role: 'last_frame' },
        ],
        resolution: '768P',
        duration: 6,
        aigc_watermark: true,
      },
    });
  });

  it('MiniMax gets a ratio for text and for references', async () => {
    expect((await sent('minimax', { ...ALL, upstreamModel: 'MiniMax-H3' })).body).toMatchObject({
      ratio: '9:16',
    });
    const { body } = await sent('minimax', {
      ...ALL,
      upstreamModel: 'MiniMax-H3',
      referenceImages: [anImage('one')],
    });
    expect(body).toMatchObject({ ratio: '9:16', content: [{}, { role: 'reference_image' }] });
  });

  it('Replicate gets the inputs under the most common names, and a seed of 0', async () => {
    expect(
      await sent('replicate', {
        ...ALL,
        upstreamModel: 'google/veo-3.1',
        image: anImage('first'),
        seed: 0,
        negativePrompt: 'rain',
        generateAudio: true,
      }),
    ).toEqual({
      path: '/v1/models/google/veo-3.1/predictions',
      authorization: `Bearer ${KEY}`,
      body: {
        input: {
          prompt: 'a paper boat',
          image: PNG + base64('first'),
          aspect_ratio: '9:16',
          duration: 6,
          resolution: '720p',
          seed: 0,
          negative_prompt: 'rain',
          generate_audio: true,
        },
      },
    });
  });

  it('fal gets seconds with a unit, at the base URL of the account', async () => {
    expect(
      await sent('fal', {
        ...ALL,
        upstreamModel: 'fal-ai/veo3.1/image-to-video',
        image: anImage('first'),
        seed: 0,
        negativePrompt: 'rain',
        generateAudio: false,
      }),
    ).toEqual({
      path: '/fal-ai/veo3.1/image-to-video',
      authorization: `Key ${KEY}`,
      body: {
        prompt: 'a paper boat',
        image_url: PNG + base64('first'),
        aspect_ratio: '9:16',
        duration: '6s',
        resolution: '720p',
        seed: 0,
        negative_prompt: 'rain',
        generate_audio: false,
      },
    });
  });

  it("a caller's own options are sent, but never those that determine the price or where results are stored", async () => {
    const { body } = await sent('replicate', {
      ...ALL,
      generateAudio: false,
      providerOptions: {
        fps: 24,
        duration: 60,
        resolution: '1080p',
        generate_audio: true,
        webhook: 'http://example.com',
      },
    });
    expect(body).toMatchObject({
      input: { fps: 24, duration: 6, resolution: '720p', generate_audio: false },
    });
    const silent = await sent('fal', {
      ...ALL,
      generateAudio: false,
      providerOptions: { generate_audio: true, duration: '8s' },
    });
    expect(silent.body).toMatchObject({ generate_audio: false, duration: '6s' });
    expect(JSON.stringify(body)).not.toContain('example.com');
    const other = await sent('xai', {
      ...ALL,
      providerOptions: { user: 'u1', model: 'grok-dear', mode: 'edit-video', videoUrl: 'http://example.com' },
    });
    expect(other).toMatchObject({
      path: '/v1/videos/generations',
      body: { user: 'u1', model: 'grok-imagine-video' },
    });
  });
});
