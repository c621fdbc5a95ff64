import { createByteDance } from '@ai-sdk/bytedance';
import { probe } from '@onetake/video';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Simulators, startSimulators } from '../../src/index.ts';
import { png } from '../support/png.ts';

// An independent client: @ai-sdk/bytedance, unchanged except for its base URL and key.
let simulators: Simulators;

beforeEach(async () => {
  simulators = await startSimulators({ only: ['ark', 'ark-byteplus'], scale: 0.001 });
});

afterEach(() => simulators.close());

const POLL = { pollIntervalMs: 20, pollTimeoutMs: 15_000 };

type Video = ReturnType<ReturnType<typeof createByteDance>['video']>;
type Call = Parameters<Video['doGenerate']>[0];

/** The calls of `generateVideo` of the `ai` package, which itself would refuse to download from 127.0.0.1. */
async function generate(
  region: 'ark' | 'ark-byteplus',
  model: string,
  call: Partial<Call>,
  apiKey = simulators.keys[region] ?? '',
) {
  const client = createByteDance({ baseURL: `${simulators.urls[region]}/api/v3`, apiKey });
  const { videos, providerMetadata } = await client.video(model).doGenerate({
    prompt: undefined,
    n: 1,
    aspectRatio: undefined,
    resolution: undefined,
    duration: undefined,
    fps: undefined,
    seed: undefined,
    image: undefined,
    frameImages: undefined,
    inputReferences: undefined,
    generateAudio: undefined,
    providerOptions: {},
    ...call,
  });
  const [video] = videos;
  if (video?.type !== 'url') throw new Error('no link');
  return { bytes: Buffer.from(await (await fetch(video.url)).arrayBuffer()), providerMetadata };
}

describe('@ai-sdk/bytedance against the simulator', () => {
  it('makes a video from text at Volcengine, of the requested size and length', async () => {
    const { bytes, providerMetadata } = await generate('ark', 'doubao-seedance-2-0-260128', {
      prompt: 'a paper boat [quick]',
      aspectRatio: '16:9',
      resolution: '864x496',
      duration: 4,
      providerOptions: { bytedance: POLL },
    });
    expect(await probe(bytes)).toEqual({
      width: 864,
      height: 496,
      seconds: 4,
      fps: 24,
      codecs: ['h264', 'aac'],
    });
    const tokens = Math.floor((864 * 496 * (24 * 4 + 1)) / 1024);
    expect(providerMetadata?.bytedance).toMatchObject({ usage: { completion_tokens: tokens } });
    expect(simulators.ledger.jobs({ upstream: 'ark' })).toMatchObject([
      { model: 'doubao-seedance-2-0-260128', bills: [{ quantity: tokens, unit: 'tokens' }] },
    ]);
  });

  it('makes a video from a first frame at BytePlus, in the ratio of the image', async () => {
    const { bytes } = await generate('ark-byteplus', 'seedance-1-0-pro-250528', {
      prompt: 'it moves [quick]',
      image: { type: 'file', data: new Uint8Array(png(300, 400)), mediaType: 'image/png' },
      duration: 2,
      providerOptions: { bytedance: { ...POLL, resolution: '480p', cameraFixed: true } },
    });
    // 3:4 of 480p. The 1.0 family makes no sound.
    expect(await probe(bytes)).toMatchObject({ width: 544, height: 736, seconds: 2, codecs: ['h264'] });
  });

  it('does not find the model ids of the other region', async () => {
    await expect(
      generate('ark-byteplus', 'doubao-seedance-2-0-260128', { prompt: 'a boat' }),
    ).rejects.toThrow('The model or endpoint doubao-seedance-2-0-260128 does not exist');
  });

  it('is refused with a wrong key', async () => {
    await expect(
      generate('ark', 'doubao-seedance-2-0-260128', { prompt: 'a boat' }, 'wrong'),
    ).rejects.toThrow('The API key or AK/SK in the request is missing or invalid.');
  });

  it('sees a task that fails by moderation', async () => {
    const failed = generate('ark', 'doubao-seedance-1-0-pro-250528', {
      prompt: 'a boat [quick] [moderation]',
      providerOptions: { bytedance: POLL },
    });
    // It leaves out the error next to the status.
    await expect(failed).rejects.toThrow('"status":"failed"');
    expect(simulators.ledger.bills({ upstream: 'ark' })).toBe(0);
  });
});
