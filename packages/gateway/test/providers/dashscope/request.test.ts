import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { UpstreamError } from '../../../src/providers/provider.ts';
import type { Reference, VideoRequest } from '../../../src/tasks/request.ts';
import { imageReferences } from '../../support/builders.ts';
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
const LINKED = anInput({ sourceUrl: 'https://example.com/cat.png' });
const OTHER = anInput({ sourceUrl: 'https://example.com/dog.png' });

const CLIP = { ...anInput(), contentType: 'video/mp4', duration: 5, fps: 24 };
const optional = (role: string | undefined) => (role === undefined ? {} : { role });
/** A reference video and a sound by their links. */
const clip = (role?: string): Reference => ({
  type: 'video',
  ...optional(role),
  input: { ...CLIP, sourceUrl: 'https://example.com/boat.mp4' },
});
const sound = (role?: string): Reference => ({
  type: 'audio',
  ...optional(role),
  input: { ...CLIP, contentType: 'audio/mpeg', sourceUrl: 'https://example.com/song.mp3' },
});

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
      { references: imageReferences(anInput({ sourceUrl: 'https://example.com/cat.png' })) },
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
      { references: imageReferences(image, image) },
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
    [
      'wan2.6-i2v-flash',
      VIDEO,
      { image, generateAudio: false },
      {
        input: { prompt: 'a paper boat', img_url: AS_DATA },
        parameters: { resolution: '720P', duration: 5, audio: false },
      },
    ],
    [
      'wan2.7-videoedit',
      VIDEO,
      { references: [clip('source'), ...imageReferences(image)] },
      {
        input: {
          prompt: 'a paper boat',
          media: [
            { type: 'video', url: 'https://example.com/boat.mp4' },
            { type: 'reference_image', url: AS_DATA },
          ],
        },
        parameters: { resolution: '720P', duration: 5 },
      },
    ],
    [
      'wan2.7-videoedit',
      VIDEO,
      { references: [clip('source')], autoDuration: true },
      {
        input: { prompt: 'a paper boat', media: [{ type: 'video', url: 'https://example.com/boat.mp4' }] },
        parameters: { resolution: '720P', duration: 0 },
      },
    ],
    [
      'wan2.6-r2v',
      VIDEO,
      { references: [clip(), ...imageReferences(anInput({ sourceUrl: 'https://example.com/cat.png' }))] },
      {
        input: {
          prompt: 'a paper boat',
          reference_urls: ['https://example.com/boat.mp4', 'https://example.com/cat.png'],
        },
        parameters: { size: '1280*720', duration: 5 },
      },
    ],
    [
      'wan2.7-i2v',
      VIDEO,
      { image, references: [sound('driving_audio')] },
      {
        input: {
          prompt: 'a paper boat',
          media: [
            { type: 'driving_audio', url: 'https://example.com/song.mp3' },
            { type: 'first_frame', url: AS_DATA },
          ],
        },
        parameters: { resolution: '720P', duration: 5 },
      },
    ],
    [
      'wan2.7-i2v',
      VIDEO,
      { lastFrame: image, references: [clip('first_clip')] },
      {
        input: {
          prompt: 'a paper boat',
          media: [
            { type: 'first_clip', url: 'https://example.com/boat.mp4' },
            { type: 'last_frame', url: AS_DATA },
          ],
        },
        parameters: { resolution: '720P', duration: 5 },
      },
    ],
    [
      'wan3.0-video',
      VIDEO,
      { references: [clip(), ...imageReferences(image), sound()], duration: 30, autoDuration: true },
      {
        input: {
          prompt: 'a paper boat',
          media: [
            { type: 'reference_video', url: 'https://example.com/boat.mp4' },
            { type: 'reference_image', url: AS_DATA },
            { type: 'reference_audio', url: 'https://example.com/song.mp3' },
          ],
        },
        parameters: { resolution: '720P', ratio: '16:9', duration: -1 },
      },
    ],
    [
      'happyhorse-1.0-video-edit',
      VIDEO,
      { references: [clip('source'), ...imageReferences(image)], watermark: false, autoDuration: true },
      {
        input: {
          prompt: 'a paper boat',
          media: [
            { type: 'video', url: 'https://example.com/boat.mp4' },
            { type: 'reference_image', url: AS_DATA },
          ],
        },
        parameters: { resolution: '720P', watermark: false },
      },
    ],
    [
      'kling/kling-v3-omni-video-generation',
      VIDEO,
      { references: [clip('source')], generateAudio: false },
      {
        input: { prompt: 'a paper boat', media: [{ type: 'base', url: 'https://example.com/boat.mp4' }] },
        parameters: { mode: 'std', duration: 5, audio: false },
      },
    ],
    [
      'happyhorse-1.1-t2v',
      VIDEO,
      { watermark: false, generateAudio: true },
      {
        input: { prompt: 'a paper boat' },
        parameters: { resolution: '720P', ratio: '16:9', duration: 5, watermark: false },
      },
    ],
    [
      'happyhorse-1.0-i2v',
      VIDEO,
      { image },
      {
        input: { prompt: 'a paper boat', media: [{ type: 'first_frame', url: AS_DATA }] },
        parameters: { resolution: '720P', duration: 5 },
      },
    ],
    [
      'kling/kling-v3-video-generation',
      VIDEO,
      { generateAudio: true, resolution: '1080p' },
      {
        input: { prompt: 'a paper boat' },
        parameters: { mode: 'pro', aspect_ratio: '16:9', duration: 5, audio: true },
      },
    ],
    [
      'kling/kling-v3-video-generation',
      VIDEO,
      { image: anInput({ sourceUrl: 'https://example.com/cat.png' }), generateAudio: false },
      {
        input: {
          prompt: 'a paper boat',
          media: [{ type: 'first_frame', url: 'https://example.com/cat.png' }],
        },
        parameters: { mode: 'std', duration: 5, audio: false },
      },
    ],
    [
      'vidu/viduq3-pro_text2video',
      VIDEO,
      { generateAudio: true, seed: 7, watermark: false },
      {
        input: { prompt: 'a paper boat' },
        parameters: {
          duration: 5,
          size: '1280*720',
          resolution: '720P',
          audio: true,
          seed: 7,
          watermark: false,
        },
      },
    ],
    [
      'vidu/viduq2_text2video',
      VIDEO,
      { generateAudio: false },
      {
        input: { prompt: 'a paper boat' },
        parameters: { duration: 5, size: '1280*720', resolution: '720P' },
      },
    ],
    [
      'vidu/viduq3-turbo_img2video',
      VIDEO,
      { image: LINKED, generateAudio: false },
      {
        input: { prompt: 'a paper boat', media: [{ type: 'image', url: LINKED.sourceUrl }] },
        parameters: { duration: 5, resolution: '720P', audio: false },
      },
    ],
    [
      'vidu/viduq2-pro_start-end2video',
      VIDEO,
      { image: LINKED, lastFrame: OTHER, generateAudio: false },
      {
        input: {
          prompt: 'a paper boat',
          media: [
            { type: 'image', url: LINKED.sourceUrl },
            { type: 'image', url: OTHER.sourceUrl },
          ],
        },
        parameters: { duration: 5, resolution: '720P' },
      },
    ],
    [
      'vidu/viduq3-drama_reference2video',
      VIDEO,
      {
        references: imageReferences(LINKED, OTHER),
        generateAudio: true,
        resolution: '1080p',
        width: 1080,
        height: 1920,
      },
      {
        input: {
          prompt: 'a paper boat',
          media: [
            { type: 'image', url: LINKED.sourceUrl },
            { type: 'image', url: OTHER.sourceUrl },
          ],
        },
        parameters: { duration: 5, size: '1080*1920', resolution: '1080P' },
      },
    ],
    [
      'vidu/viduq2-pro_reference2video',
      VIDEO,
      { references: [...imageReferences(LINKED), clip()], autoDuration: true, generateAudio: false },
      {
        input: {
          prompt: 'a paper boat',
          media: [
            { type: 'image', url: LINKED.sourceUrl },
            { type: 'video', url: 'https://example.com/boat.mp4' },
          ],
        },
        parameters: { duration: 0, size: '1280*720', resolution: '720P' },
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
    ['wan2.6-r2v', { references: imageReferences(anInput({ sourceUrl: 'https://example.com/cat.png' })) }],
    ['wan2.7-t2v', { watermark: false }],
    ['wan2.7-i2v', { image, lastFrame: image }],
    ['wan2.7-r2v', { references: imageReferences(image), image }],
    ['wan3.0-video', { references: imageReferences(image), generateAudio: false }],
    ['wan3.0-video', { image, lastFrame: image }],
    ['wan3.0-video', { references: [clip(), ...imageReferences(image), sound()], autoDuration: true }],
    ['wan2.6-r2v', { references: [clip()] }],
    ['wan2.7-r2v', { references: [clip(), ...imageReferences(image)] }],
    ['wan2.7-i2v', { references: [clip('first_clip')], lastFrame: image }],
    ['wan2.7-i2v', { references: [sound('driving_audio')], image }],
    ['wan2.7-videoedit', { references: [clip('source'), ...imageReferences(image)], autoDuration: true }],
    ['happyhorse-1.0-video-edit', { references: [clip('source'), ...imageReferences(image)] }],
    ['kling/kling-v3-omni-video-generation', { references: [clip('source')], generateAudio: false }],
    ['kling/kling-v3-omni-video-generation', { references: [clip()], generateAudio: false }],
    ['vidu/viduq3-pro_start-end2video', { image: LINKED, lastFrame: OTHER, generateAudio: true }],
    ['vidu/viduq2-pro_reference2video', { references: [...imageReferences(LINKED), clip()], seed: 0 }],
  ])('of %s is accepted by the upstream', async (upstreamModel, changes) => {
    const { provider } = await simulated({ settings: { checksAtSubmit: true } });
    const job = aJob({ ...SHAPE, ...changes }, { upstreamModel, openInput });
    expect(await provider.submit(job, sending(signal()))).toMatchObject({ state: 'queued' });
  });

  it('takes raw options', async () => {
    const { body } = await sent('wan2.6-t2v', {
      ...SHAPE,
      providerOptions: { parameters: { shot_type: 'multi' }, input: { audio_url: 'https://x.test/a' } },
    });
    expect(body).toMatchObject({
      model: 'wan2.6-t2v',
      input: { prompt: 'a paper boat', audio_url: 'https://x.test/a' },
      parameters: { size: '1280*720', shot_type: 'multi', duration: SHAPE.duration },
    });
  });

  it.each<[string, Record<string, unknown>, string[]]>([
    ['wan2.6-t2v', { model: 'wan9', input: { prompt: 'p', audio_url: 'u' } }, ['model', 'input.prompt']],
    [
      'wan2.6-t2v',
      {
        parameters: { shot_type: 'multi', duration: 15, size: '1920*1080', resolution: '1080P', audio: true },
      },
      ['parameters.duration', 'parameters.size', 'parameters.resolution', 'parameters.audio'],
    ],
    ['wan2.6-t2v', { parameters: 'none' }, ['parameters']],
    ['wan2.6-i2v', { input: { img_url: 'https://x.test/i' } }, ['input.img_url']],
    ['wan3.0-video', { input: { media: [] } }, ['input.media']],
  ])(
    'to %s takes none of %j that the gateway decides on',
    async (upstreamModel, providerOptions, refused) => {
      const { provider } = await simulated();
      const { request } = aJob({ ...SHAPE, image: anInput(), providerOptions });
      expect(provider.refusedOptions(request, upstreamModel)).toEqual(refused);
    },
  );

  it.each<[string, object]>([
    ['where the caller gave none', {}],
    [
      'to a video that was measured, although the caller gave another',
      { sourceUrl: 'https://example.com/a.mp4' },
    ],
  ])('gives a link of the gateway %s', async (_what, source) => {
    const { provider, received } = await canned(() => ({
      body: { output: { task_id: 't', task_status: 'PENDING' } },
    }));
    const linkTo = () => 'https://gateway.example/media/m.mp4';
    const references: VideoRequest['references'] = [{ type: 'video', input: { ...CLIP, ...source } }];
    const job = { ...aJob({ references }, { upstreamModel: 'wan2.7-r2v', openInput }), linkTo };
    await provider.submit(job, sending(signal()));
    expect(received[0]?.body).toMatchObject({
      input: { media: [{ type: 'reference_video', url: 'https://gateway.example/media/m.mp4' }] },
    });
  });

  it('sends the video to edit of a task that an earlier version stored', async () => {
    const videoUrl = 'https://example.com/boat.mp4';
    const references = imageReferences(anInput());
    const { input } = (await sent('wan2.7-videoedit', { videoUrl, references })).body;
    expect(input.media).toEqual([
      { type: 'video', url: videoUrl },
      { type: 'reference_image', url: expect.stringMatching(/^data:/) },
    ]);
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
    ['bytes where only addresses are taken', 'wan2.6-r2v', { references: imageReferences(image) }],
    ['an image that the model does not take', 'wan2.7-t2v', { image }],
    [
      'a video that the model does not take',
      'wan2.7-i2v',
      { image, videoUrl: 'https://example.com/boat.mp4' },
    ],
    ['a role that the model does not take', 'wan2.7-r2v', { references: [clip('source')] }],
    ['a video without a link', 'wan2.7-r2v', { references: [{ type: 'video', input: CLIP }] }],
    ['bytes of a frame of Kling', 'kling/kling-v3-video-generation', { image }],
    ['bytes of a frame of Vidu', 'vidu/viduq3-pro_img2video', { image }],
    [
      'a last frame that Vidu does not take',
      'vidu/viduq3-pro_img2video',
      { image: LINKED, lastFrame: OTHER },
    ],
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
