import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import type { UpstreamRequest } from '../../../src/catalogue/upstream.ts';
import { imageReferences } from '../../support/builders.ts';
import { sending } from '../../support/sending.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { anImage, openWith, type Service, soon, starting, startWorld } from './world.ts';

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
  change: Partial<UpstreamRequest> & { upstreamModel?: string },
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
    const { body } = await sent('xai', {
      ...ALL,
      references: imageReferences(anImage('one'), anImage('two')),
    });
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
      references: imageReferences(anImage('one')),
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

  it.each([
    ['number', 6],
    ['text', '6'],
    ['seconds', '6s'],
  ] as const)('fal gets seconds as the model spells them: %s', async (form, duration) => {
    const { body } = await sent('fal', { ...ALL, inputs: { duration: { form } } });
    expect(body).toMatchObject({ duration });
  });

  it('a model of fal has names of its own, and gets no input that it does not have', async () => {
    const inputs = {
      duration: { form: 'text' },
      resolution: false,
      aspectRatio: { unless: 'image' },
      image: { name: 'start_image_url' },
      lastFrame: { name: 'end_image_url' },
      promptExtend: { name: 'enable_prompt_expansion' },
    } as const;
    const kling = { ...ALL, upstreamModel: 'fal-ai/kling-video/v3/pro/image-to-video', inputs };
    const frames = { image: anImage('first'), lastFrame: anImage('last') };
    expect((await sent('fal', { ...kling, ...frames, promptExtend: false })).body).toEqual({
      prompt: 'a paper boat',
      duration: '6',
      start_image_url: PNG + base64('first'),
      end_image_url: PNG + base64('last'),
      enable_prompt_expansion: false,
    });
    expect((await sent('fal', kling)).body).toEqual({
      prompt: 'a paper boat',
      duration: '6',
      aspect_ratio: '9:16',
    });
  });

  it('an app of fal outside fal-ai has its own path', async () => {
    const { path } = await sent('fal', { ...ALL, upstreamModel: 'bytedance/seedance-2.0/text-to-video' });
    expect(path).toBe('/bytedance/seedance-2.0/text-to-video');
  });

  it('a model of Replicate may name its frames, and a caller cannot set its length by that name', async () => {
    const { body } = await sent('replicate', {
      ...ALL,
      inputs: { image: { name: 'start_image' }, duration: { name: 'num_seconds' } },
      image: anImage('first'),
    });
    expect(body).toMatchObject({ input: { start_image: PNG + base64('first'), num_seconds: 6 } });
    expect(JSON.stringify(body)).not.toMatch(/"(?:image|duration)"/);
    const { provider } = await startWorld('replicate');
    const { request, upstreamModel } = starting('replicate', {
      ...ALL,
      inputs: { image: { name: 'start_image' }, duration: { name: 'num_seconds' } },
      image: anImage('first'),
      providerOptions: { num_seconds: 60, start_image: 'u' },
    });
    expect(await provider.refusedOptions(request, upstreamModel)).toEqual(['num_seconds', 'start_image']);
  });

  it("a caller's own options are sent", async () => {
    const { body } = await sent('replicate', { ...ALL, generateAudio: false, providerOptions: { fps: 24 } });
    expect(body).toMatchObject({
      input: { fps: 24, duration: 6, resolution: '720p', generate_audio: false },
    });
    const other = await sent('xai', { ...ALL, providerOptions: { user: 'u1' } });
    expect(other).toMatchObject({
      path: '/v1/videos/generations',
      body: { user: 'u1', model: 'grok-imagine-video' },
    });
  });

  it.each<[Service, Record<string, unknown>, string[]]>([
    [
      'replicate',
      { fps: 24, duration: 60, resolution: '1080p', generate_audio: true, webhook: 'http://example.com' },
      ['duration', 'resolution', 'generate_audio', 'webhook'],
    ],
    ['fal', { generate_audio: true, duration: '8s' }, ['generate_audio', 'duration']],
    ['xai', { user: 'u1', model: 'x', mode: 'edit-video', videoUrl: 'u' }, ['model', 'mode', 'videoUrl']],
    ['xai', { aspect_ratio: '1:1' }, ['aspect_ratio']],
    ['minimax', { no_such_option: 1 }, ['no_such_option']],
  ])(
    'the options of %s in %j that the gateway decides on, or the package drops, are refused: %j',
    async (name, providerOptions, refused) => {
      const { provider } = await startWorld(name);
      const { request, upstreamModel } = starting(name, { ...ALL, generateAudio: false, providerOptions });
      expect(await provider.refusedOptions(request, upstreamModel)).toEqual(refused);
    },
  );
});
