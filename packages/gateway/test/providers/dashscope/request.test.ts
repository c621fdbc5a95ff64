import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { UpstreamError } from '../../../src/providers/provider.ts';
import type { VideoRequest } from '../../../src/tasks/request.ts';
import { sending } from '../../support/sending.ts';
import { aJob, anInput, canned, KEY, settled, signal, simulated } from './world.ts';

const VIDEO = '/api/v1/services/aigc/video-generation/video-synthesis';
const FRAMES = '/api/v1/services/aigc/image2video/video-synthesis';
const BYTES = Buffer.from('a picture');
const AS_DATA = `data:image/png;base64,${BYTES.toString('base64')}`;
const openInput = async () => Readable.from([BYTES]);

/** The body that is sent for a request. */
async function sent(upstreamModel: string, changes: Partial<VideoRequest>) {
  const { provider, received } = await canned(() => ({
    body: { request_id: 'r', output: { task_id: 't1', task_status: 'PENDING' } },
  }));
  const started = await provider.submit(aJob(changes, { upstreamModel, openInput }), sending(signal()));
  expect(started).toEqual({ upstreamId: 't1', state: 'queued' });
  const [request, ...more] = received;
  if (!request) throw new Error('nothing was sent');
  expect(more).toEqual([]);
  return request;
}

const SHAPE = { resolution: '720p', width: 1280, height: 720, duration: 5 } as const;
const image = anInput();

describe('a submission', () => {
  it('is asynchronous and has the key', async () => {
    const { method, headers } = await sent('wan3.0-video', {});
    expect(method).toBe('POST');
    expect(headers).toMatchObject({ authorization: `Bearer ${KEY}`, 'x-dashscope-async': 'enable' });
  });

  it.each<[string, string, Partial<VideoRequest>, object]>([
    [
      'wan2.6-t2v',
      VIDEO,
      { negativePrompt: 'rain', seed: 7, promptExtend: false, watermark: true, generateAudio: true },
      {
        input: { prompt: 'a paper boat', negative_prompt: 'rain' },
        parameters: { size: '1280*720', duration: 5, seed: 7, prompt_extend: false, watermark: true },
      },
    ],
    [
      'wanx2.1-t2v-turbo',
      VIDEO,
      {},
      { input: { prompt: 'a paper boat' }, parameters: { size: '1280*720', duration: 5 } },
    ],
    [
      'wan2.5-i2v-preview',
      VIDEO,
      { image },
      {
        input: { prompt: 'a paper boat', img_url: AS_DATA },
        parameters: { resolution: '720P', duration: 5 },
      },
    ],
    [
      'wan2.2-kf2v-flash',
      FRAMES,
      { image, lastFrame: image },
      {
        input: { prompt: 'a paper boat', first_frame_url: AS_DATA, last_frame_url: AS_DATA },
        parameters: { resolution: '720P', duration: 5 },
      },
    ],
    [
      'wan2.6-r2v',
      VIDEO,
      { referenceImages: [anInput({ sourceUrl: 'https://example.com/cat.png' })] },
      {
        input: { prompt: 'a paper boat', reference_urls: ['https://example.com/cat.png'] },
        parameters: { size: '1280*720', duration: 5 },
      },
    ],
    [
      'wan2.7-t2v',
      VIDEO,
      { generateAudio: true },
      {
        input: { prompt: 'a paper boat' },
        parameters: { resolution: '720P', ratio: '16:9', duration: 5 },
      },
    ],
    [
      'wan2.7-i2v',
      VIDEO,
      { image, lastFrame: image },
      {
        input: {
          prompt: 'a paper boat',
          media: [
            { type: 'first_frame', url: AS_DATA },
            { type: 'last_frame', url: AS_DATA },
          ],
        },
        parameters: { resolution: '720P', duration: 5 },
      },
    ],
    [
      'wan2.7-r2v',
      VIDEO,
      { referenceImages: [image, image] },
      {
        input: {
          prompt: 'a paper boat',
          media: [
            { type: 'reference_image', url: AS_DATA },
            { type: 'reference_image', url: AS_DATA },
          ],
        },
        parameters: { resolution: '720P', ratio: '16:9', duration: 5 },
      },
    ],
    [
      'wan3.0-video',
      VIDEO,
      { generateAudio: false, aspectRatio: '3:4' },
      {
        input: { prompt: 'a paper boat' },
        parameters: { resolution: '720P', ratio: '3:4', duration: 5, audio: false },
      },
    ],
    [
      'wan3.0-video-prime',
      VIDEO,
      { image, lastFrame: image, generateAudio: true },
      {
        input: {
          prompt: 'a paper boat',
          media: [
            { type: 'first_frame', url: AS_DATA },
            { type: 'last_frame', url: AS_DATA },
          ],
        },
        parameters: { resolution: '720P', ratio: 'adaptive', duration: 5, audio: true },
      },
    ],
  ])('of %s goes to %s with the parameters of its generation', async (model, path, changes, body) => {
    const request = await sent(model, { ...SHAPE, ...changes });
    expect(request.url).toBe(path);
    expect(request.body).toEqual({ model, ...body });
  });

  it.each<[string, Partial<VideoRequest>]>([
    ['wanx2.1-t2v-plus', {}],
    ['wan2.2-kf2v-flash', { image, lastFrame: image }],
    ['wan2.5-i2v-preview', { image }],
    ['wan2.6-t2v', { promptExtend: true, seed: 1 }],
    ['wan2.6-r2v', { referenceImages: [anInput({ sourceUrl: 'https://example.com/cat.png' })] }],
    ['wan2.7-t2v', { watermark: false }],
    ['wan2.7-i2v', { image, lastFrame: image }],
    ['wan2.7-r2v', { referenceImages: [image], image }],
    ['wan3.0-video', { referenceImages: [image], generateAudio: false }],
    ['wan3.0-video', { image, lastFrame: image, negativePrompt: 'rain' }],
  ])('of %s is accepted by the upstream', async (upstreamModel, changes) => {
    const { provider } = await simulated({ settings: { checksAtSubmit: true } });
    const job = aJob({ ...SHAPE, ...changes }, { upstreamModel, openInput });
    expect(await provider.submit(job, sending(signal()))).toMatchObject({ state: 'queued' });
  });

  it('takes raw options, but none that change the price', async () => {
    const { body } = await sent('wan2.6-t2v', {
      ...SHAPE,
      providerOptions: {
        model: 'wan9',
        parameters: { shot_type: 'multi', duration: 15, size: '1920*1080', resolution: '1080P' },
        input: { audio_url: 'https://x.test/a' },
      },
    });
    expect(body).toMatchObject({
      model: 'wan2.6-t2v',
      input: { prompt: 'a paper boat', audio_url: 'https://x.test/a' },
      parameters: { size: '1280*720', shot_type: 'multi', duration: SHAPE.duration },
    });
    expect(body.parameters).not.toHaveProperty('resolution');
    const flat = await sent('wan2.6-t2v', { ...SHAPE, providerOptions: { parameters: 'none' } });
    expect(flat.body.parameters).toMatchObject({ duration: SHAPE.duration });
  });

  it('sends an image that is too large for bytes by its URL', async () => {
    const large = anInput({ bytes: 11_000_000, sourceUrl: 'https://example.com/large.png' });
    expect((await sent('wan2.6-i2v', { image: large })).body.input.img_url).toBe(large.sourceUrl);
  });

  it.each<[string, string, Partial<VideoRequest>]>([
    [
      'an image that is too large and has no address',
      'wan2.6-i2v',
      { image: anInput({ bytes: 11_000_000 }) },
    ],
    ['bytes where only addresses are taken', 'wan2.6-r2v', { referenceImages: [image] }],
    ['an image that the model does not take', 'wan2.7-t2v', { image }],
  ])('with %s is never sent', async (_what, upstreamModel, changes) => {
    const { provider, received } = await canned(() => ({ body: {} }));
    const outcome = await settled(
      provider.submit(aJob(changes, { upstreamModel, openInput }), sending(signal())),
    );
    expect(outcome).toBeInstanceOf(UpstreamError);
    expect(outcome).toMatchObject({ reason: 'invalid_request', created: 'no' });
    expect(received).toEqual([]);
  });
});
