import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { correlationMarkerOf } from '../../../src/providers/ark/correlationMarker.ts';
import { withoutFlags } from '../../../src/providers/ark/request.ts';
import type { Job } from '../../../src/providers/provider.ts';
import { newId } from '../../../src/tasks/ids.ts';
import type { InputRef, VideoRequest } from '../../../src/tasks/request.ts';
import { aRequest, imageReferences } from '../../support/builders.ts';
import { sending } from '../../support/sending.ts';
import { type Json, scripted } from './scripted.ts';
import { type ArkOptions, arkAt, arkJob, signal } from './world.ts';

const IMAGE: InputRef = { mediaId: 'first', contentType: 'image/png', bytes: 3, width: 300, height: 300 };
const input = (mediaId: string): InputRef => ({ ...IMAGE, mediaId });
const dataUrl = (mediaId: string): string =>
  `data:image/png;base64,${Buffer.from(mediaId).toString('base64')}`;

/** The body that is posted for a request. */
async function posted(
  upstreamModel: string,
  request: Partial<VideoRequest> = {},
  options: ArkOptions & { job?: Partial<Job> } = {},
): Promise<Json> {
  const { job, ...rest } = options;
  const upstream = await scripted(() => ({ body: { id: 'cgt-1' } }));
  const provider = arkAt(upstream.baseUrl, rest);
  const started = await provider.submit(
    arkJob({
      upstreamModel,
      request: aRequest(request),
      openInput: async ({ mediaId }) => Readable.from([Buffer.from(mediaId)]),
      ...job,
    }),
    sending(signal()),
  );
  expect(started).toEqual({ upstreamId: 'cgt-1', state: 'queued' });
  expect(upstream.received).toHaveLength(1);
  expect(upstream.received[0]).toMatchObject({
    method: 'POST',
    url: '/api/v3/contents/generations/tasks',
    headers: { authorization: 'Bearer ark-key-of-the-test', 'content-type': 'application/json' },
  });
  return upstream.received[0]?.body;
}

describe('a request', () => {
  it('has every parameter as a field, and only the text in the content', async () => {
    const body = await posted('dreamina-seedance-2-0-260128', {
      prompt: 'a paper boat',
      duration: 6,
      resolution: '1080p',
      aspectRatio: '9:16',
      seed: 7,
      watermark: false,
      generateAudio: true,
    });
    const { execution_expires_after, ...rest } = body;
    expect(rest).toEqual({
      model: 'dreamina-seedance-2-0-260128',
      content: [{ type: 'text', text: 'a paper boat' }],
      resolution: '1080p',
      ratio: '9:16',
      duration: 6,
      seed: 7,
      watermark: false,
      generate_audio: true,
    });
  });

  it('of the 1.0 family has no audio parameter, which its models refuse', async () => {
    const request = { generateAudio: false, cameraFixed: true };
    const body = await posted('doubao-seedance-1-0-pro-250528', request);
    expect(body).not.toHaveProperty('generate_audio');
    expect(body.camera_fixed).toBe(true);
  });

  it('of the 2 families has no camera parameter, which its models refuse', async () => {
    expect(await posted('doubao-seedance-2-0-260128', { cameraFixed: true })).not.toHaveProperty(
      'camera_fixed',
    );
  });

  it('through an endpoint id is recognised by the model of the catalogue', async () => {
    const request = { model: 'seedance-1.0-pro', generateAudio: false };
    expect(await posted('ep-20261101-abcde', request)).not.toHaveProperty('generate_audio');
  });

  it('gives each image its role', async () => {
    const frames = await posted('doubao-seedance-2-0-260128', {
      image: input('first'),
      lastFrame: input('last'),
    });
    expect(frames.content.slice(1)).toEqual([
      { type: 'image_url', image_url: { url: dataUrl('first') }, role: 'first_frame' },
      { type: 'image_url', image_url: { url: dataUrl('last') }, role: 'last_frame' },
    ]);
    const references = await posted('doubao-seedance-2-0-260128', {
      references: imageReferences(input('one'), input('two')),
    });
    expect(references.content.slice(1)).toEqual([
      { type: 'image_url', image_url: { url: dataUrl('one') }, role: 'reference_image' },
      { type: 'image_url', image_url: { url: dataUrl('two') }, role: 'reference_image' },
    ]);
  });

  it('has references of every type in their order: images and sounds as bytes, videos by link', async () => {
    const clip = { ...input('clip'), contentType: 'video/mp4', duration: 5, fps: 24 };
    const sound = { mediaId: 'song', contentType: 'audio/mpeg', bytes: 3, duration: 5 };
    const references: VideoRequest['references'] = [
      { type: 'video', input: { ...clip, mediaId: 'theirs', sourceUrl: 'https://example.com/a.mp4' } },
      { type: 'image', input: input('one') },
      { type: 'video', input: clip },
      { type: 'audio', input: sound },
    ];
    const linkTo: Job['linkTo'] = ({ mediaId }) => `https://gateway.example/media/${mediaId}.mp4`;
    const { content, ratio, duration, ...body } = await posted(
      'doubao-seedance-2-0-260128',
      { references, aspectRatio: '1:1', duration: 6 },
      { job: { linkTo } },
    );
    expect(content.slice(1)).toEqual([
      // Its seconds are billed as they were measured, so it is the file that was measured, and not what is now behind the caller's link.
      {
        type: 'video_url',
        video_url: { url: 'https://gateway.example/media/theirs.mp4' },
        role: 'reference_video',
      },
      { type: 'image_url', image_url: { url: dataUrl('one') }, role: 'reference_image' },
      {
        type: 'video_url',
        video_url: { url: 'https://gateway.example/media/clip.mp4' },
        role: 'reference_video',
      },
      {
        type: 'audio_url',
        audio_url: { url: `data:audio/mpeg;base64,${Buffer.from('song').toString('base64')}` },
        role: 'reference_audio',
      },
    ]);
    expect({ ratio, duration }).toEqual({ ratio: '1:1', duration: 6 });
    expect(body).not.toHaveProperty('omni_reference_task_type');
  });

  it('with more bytes than a body may have gives links, where there are any', async () => {
    const large = { ...input('one'), bytes: 30_000_000 };
    const { content } = await posted('doubao-seedance-2-5-260628', {
      references: imageReferences(large, { ...large, sourceUrl: 'https://example.com/two.png' }),
    });
    expect(content[1].image_url.url).toBe(dataUrl('one'));
    expect(content[2].image_url.url).toBe('https://example.com/two.png');
  });

  it('is not sent without a link to a video', async () => {
    const upstream = await scripted(() => ({ body: { id: 'cgt-1' } }));
    const clip = { ...input('clip'), contentType: 'video/mp4', duration: 5, fps: 24 };
    const job = arkJob({ request: aRequest({ references: [{ type: 'video', input: clip }] }) });
    await expect(arkAt(upstream.baseUrl).submit(job, sending(signal()))).rejects.toMatchObject({
      reason: 'invalid_request',
      created: 'no',
      message: /give the input by a public url/,
    });
    expect(upstream.received).toEqual([]);
  });

  it.each([
    ['source', 'edit', -1],
    ['first_clip', 'extend', 8],
  ])('with a reference of role %s is of the type %s', async (role, type, duration) => {
    const clip = {
      ...input('clip'),
      contentType: 'video/mp4',
      duration: 7.2,
      fps: 24,
      sourceUrl: 'https://a.b/c',
    };
    const body = await posted('doubao-seedance-2-5-260628', {
      references: [{ type: 'video', role, input: clip }],
      duration: 8,
      aspectRatio: '1:1',
      ...(type === 'edit' ? { autoDuration: true } : {}),
    });
    expect(body).toMatchObject({ omni_reference_task_type: type, ratio: 'adaptive', duration });
    expect(body.content[1]).toMatchObject({ role: 'reference_video' });
  });

  it('lets the model decide on the duration', async () => {
    expect(await posted('doubao-seedance-2-0-260128', { duration: 15, autoDuration: true })).toMatchObject({
      duration: -1,
    });
  });

  it('takes the ratio from a first frame for 2.5, and not for other models', async () => {
    const request = { image: input('first'), aspectRatio: '16:9' } as const;
    expect((await posted('doubao-seedance-2-5-260628', request)).ratio).toBe('adaptive');
    expect((await posted('doubao-seedance-2-0-260128', request)).ratio).toBe('16:9');
    expect((await posted('doubao-seedance-2-5-260628', { aspectRatio: '1:1' })).ratio).toBe('1:1');
  });

  it('has the callback URL with the token of the account', async () => {
    const callback = { url: 'https://video.example.com/callbacks/ark', token: 'abc-_1' };
    const body = await posted('doubao-seedance-2-0-260128', {}, { callback });
    expect(body.callback_url).toBe('https://video.example.com/callbacks/ark?token=abc-_1');
  });

  it('takes raw parameters from the caller', async () => {
    const providerOptions = { return_last_frame: true, priority: 3, execution_expires_after: 7200 };
    const body = await posted('doubao-seedance-2-0-260128', { providerOptions });
    expect(body).toMatchObject(providerOptions);
  });

  it('takes no raw parameters that change the price, the file or what a field says', () => {
    const provider = arkAt('http://127.0.0.1:1');
    const refused = {
      model: 'doubao-seedance-2-5-260628',
      content: [{ type: 'text', text: 'a boat --rs 4k' }],
      callback_url: 'https://elsewhere.example.com',
      resolution: '4k',
      duration: 15,
      frames: 289,
      generate_audio: true,
      draft: true,
      output_format: 'mov',
      seed: 1,
    };
    const request = aRequest({ seed: 2, providerOptions: { ...refused, priority: 3 } });
    expect(provider.refusedOptions(request, 'doubao-seedance-2-0-260128')).toEqual(Object.keys(refused));
  });

  it('has the correlation marker of its attempt and never the default', async () => {
    const idempotencyKey = newId();
    const body = await posted('doubao-seedance-2-0-260128', {}, { job: { idempotencyKey } });
    expect(body.execution_expires_after).toBe(correlationMarkerOf(idempotencyKey));
  });
});

describe('the correlation marker of an attempt', () => {
  it('is within the range of Ark, above the default, and differs between keys', () => {
    const marks = Array.from({ length: 1000 }, () => correlationMarkerOf(newId()));
    expect(Math.min(...marks)).toBeGreaterThan(172_800);
    expect(Math.max(...marks)).toBeLessThanOrEqual(259_200);
    expect(new Set(marks).size).toBeGreaterThan(980);
    expect(correlationMarkerOf('0'.repeat(32))).toBe(172_801);
    expect(correlationMarkerOf(BigInt(86_399).toString(16).padStart(32, '0'))).toBe(259_200);
  });
});

describe('flags in a prompt', () => {
  it.each([
    ['a boat --rs 4k --dur 15', 'a boat —rs 4k —dur 15'],
    ['--ratio 1:1', '—ratio 1:1'],
    ['a boat---resolution 4k', 'a boat—resolution 4k'],
    ['a well-known boat - at sea', 'a well-known boat - at sea'],
  ])('%s are made harmless', (prompt, text) => {
    expect(withoutFlags(prompt)).toBe(text);
  });
});
