import { describe, expect, it } from 'vitest';
import { type Catalogue, createCatalogue } from '../../src/catalogue/catalogue.ts';
import type { ModelServer } from '../../src/catalogue/serving.ts';
import { checkRequest } from '../../src/catalogue/validate/request.ts';
import { asStored, builtIn, check } from './builtIn.ts';

const PNG = 'https://example.com/a.png';
const GEMINI: ModelServer = { providerId: 'google', service: 'gemini', official: false };
const VERTEX: ModelServer = { providerId: 'google', service: 'vertex', official: true };
const servedBy = (...servers: ModelServer[]): Catalogue => createCatalogue({ servers });

/** Micro-dollars: per second, and for the whole hold. */
const priceOf = (body: Record<string, unknown>) => {
  const { price } = check(body);
  expect(price.currency).toBe('USD');
  return [price.microsPerSecond, price.holdMicros];
};

describe('a price', () => {
  it.each<[string, Record<string, unknown>, readonly [number, number]]>([
    ['of the built-in renderer is zero', {}, [0, 0]],
    ['is the price per second times the seconds', { model: 'sora-2', duration: 8 }, [100_000, 800_000]],
    ['follows the resolution', { model: 'sora-2-pro', duration: 4 }, [300_000, 1_200_000]],
    [
      'is higher for a higher one',
      { model: 'sora-2-pro', duration: 4, resolution: '1080p' },
      [700_000, 2_800_000],
    ],
    [
      'follows a size that has its own',
      { model: 'sora-2-pro', duration: 4, size: '1792x1024' },
      [500_000, 2_000_000],
    ],
    [
      'is that of the rounded request',
      { model: 'sora-2-pro', duration: 4, resolution: '480p' },
      [300_000, 1_200_000],
    ],
    [
      'depends on audio',
      { model: 'veo-3.1-generate-001', duration: 8, generate_audio: true },
      [400_000, 3_200_000],
    ],
    [
      'follows both',
      { model: 'veo-3.1-generate-001', duration: 8, resolution: '4k', generate_audio: true },
      [600_000, 4_800_000],
    ],
    // 1920 x 1088 x 24 / 1024 tokens a second, and 1440 x 1440 for a square; the larger one is shown for all. A frame more is held.
    [
      'by tokens is that of the largest size',
      { model: 'seedance-1.0-pro', resolution: '1080p' },
      [122_400, 612_000 + 5_100],
    ],
    [
      'of input images is added',
      { model: 'grok-imagine-video-1.5', duration: 1, resolution: '480p', image: PNG, last_frame: PNG },
      [80_000, 100_000],
    ],
    [
      'of input images leaves out the free ones',
      { model: 'minimax-h3', duration: 4, reference_images: Array(7).fill(PNG) },
      [80_000, 400_000],
    ],
  ])('%s', (_what, body, expected) => {
    expect(priceOf(body)).toEqual(expected);
  });
});

describe('the price at several services', () => {
  const held = (catalogue: Catalogue, body: Record<string, unknown>) =>
    checkRequest({ prompt: 'a boat', ...body }, catalogue).price.holdMicros;
  const SILENT_VEO = { model: 'veo-3.1-generate-001', duration: 8 };

  it('of Seedance is that of the list of the service, whose currency differs', () => {
    const at = (service?: string): ModelServer => ({
      providerId: 'ark',
      official: true,
      ...(service === undefined ? {} : { service }),
    });
    const body = { model: 'seedance-1.0-pro', resolution: '1080p', duration: 5 };
    const [here, there] = [servedBy(at('volcengine')), servedBy(at('byteplus'))];
    // 15 CNY and 2.5 USD a million tokens.
    expect(held(here, body) / held(there, body)).toBeCloseTo(15 / 6.5 / 2.5, 4);
    expect(held(servedBy(at('volcengine'), at('byteplus')), body)).toBe(held(there, body));
    expect(held(servedBy(at()), body)).toBe(held(there, body));
  });

  it('is that of the service of the account', () => {
    expect(held(servedBy(VERTEX), SILENT_VEO)).toBe(1_600_000);
    // Every video of the Gemini API has audio.
    expect(held(servedBy(GEMINI), SILENT_VEO)).toBe(3_200_000);
    expect(held(servedBy(VERTEX), { model: 'veo-3.1-lite-generate-001', duration: 8 })).toBe(240_000);
  });

  it('is the highest of those that may serve it', () => {
    expect(held(servedBy(VERTEX, GEMINI), SILENT_VEO)).toBe(3_200_000);
    // Google's own Gemini API no longer has Veo.
    expect(held(servedBy(VERTEX, { ...GEMINI, official: true }), SILENT_VEO)).toBe(1_600_000);
  });

  it('is the highest of all if no account serves it, or one whose service is not known', () => {
    expect(held(servedBy(), SILENT_VEO)).toBe(3_200_000);
    const proxy = { ...VERTEX, service: 'elsewhere', official: false };
    expect(held(servedBy(VERTEX, proxy), SILENT_VEO)).toBe(3_200_000);
  });
});

describe('the rate of what was delivered', () => {
  const VEO = { model: 'veo-3.1-generate-001', duration: 8, resolution: '1080p', generate_audio: true };
  const FULL_HD = { width: 1920, height: 1080, audio: true };

  it.each<[string, object, object, number]>([
    ['as requested is that of the request', {}, FULL_HD, 400_000],
    ['without the requested audio is that without audio', {}, { audio: false }, 200_000],
    [
      'without audio that was not requested is that of the request',
      { generate_audio: false },
      { audio: false },
      200_000,
    ],
    ['in a smaller size is that of the size', { resolution: '4k' }, {}, 400_000],
    ['in a larger size is that of the request', {}, { width: 3840, height: 2160 }, 400_000],
    [
      'in a size that the model does not have is that of the request',
      {},
      { width: 1000, height: 500 },
      400_000,
    ],
  ])('%s', (_what, changes, delivered, microsPerSecond) => {
    const { draft } = check({ ...VEO, ...changes });
    expect(builtIn.deliveredRate(VERTEX, asStored(draft), { ...FULL_HD, ...delivered })).toEqual({
      microsPerSecond,
    });
  });

  it('is what the upstream reports of its bill, of tokens and of the seconds of videos that it fetched', () => {
    const ark: ModelServer = { providerId: 'ark', service: 'byteplus', official: true };
    const seedance = asStored(check({ model: 'seedance-2.0', duration: 5, resolution: '720p' }).draft);
    const hd = { width: 1280, height: 720, audio: true };
    expect(builtIn.deliveredRate(ark, seedance, { ...hd, usage: { tokens: 108_900 } })).toEqual({
      microsPerSecond: 0,
      microsPerVideo: 762_300,
    });
    const volcengine = { ...ark, service: 'volcengine' };
    expect(builtIn.deliveredRate(volcengine, seedance, { ...hd, usage: { tokens: 108_900 } })).toEqual({
      microsPerSecond: 0,
      microsPerVideo: Math.ceil((108_900 * 46) / 6.5),
    });
    // Model Studio charges the seconds of videos like those of the result, and knows nothing of tokens.
    const wan: ModelServer = { providerId: 'dashscope', service: 'beijing', official: true };
    const clip = { type: 'video', url: 'https://example.com/a.mp4' };
    const { draft } = check({ model: 'wan3.0-video', duration: 5, resolution: '720p', references: [clip] });
    const rateWith = (usage: object) => builtIn.deliveredRate(wan, asStored(draft), { ...hd, usage });
    expect(rateWith({ inputSeconds: 7 })).toEqual({ microsPerSecond: 100_000, microsPerVideo: 700_000 });
    expect(rateWith({ tokens: 5 })).toEqual(rateWith({}));
    // No upstream pays for a video.
    expect(rateWith({ inputSeconds: -7 })).toEqual(rateWith({}));
    const rateOf = (usage: object) => builtIn.deliveredRate(ark, seedance, { ...hd, usage });
    expect(rateOf({ tokens: -108_900 })).toEqual(rateOf({}));
    expect(rateOf({ tokens: 0 })).toEqual(rateOf({}));
  });

  it('is that of the service that made it', () => {
    const request = asStored(check({ ...VEO, generate_audio: false }).draft);
    expect(builtIn.deliveredRate(GEMINI, request, FULL_HD)).toEqual({ microsPerSecond: 400_000 });
    expect(builtIn.deliveredRate(VERTEX, request, FULL_HD)).toEqual({ microsPerSecond: 200_000 });
  });

  it('contains the price of images', () => {
    const request = asStored(check({ model: 'grok-imagine-video', image: PNG }).draft);
    const xai = { providerId: 'xai', service: 'xai', official: true };
    expect(builtIn.deliveredRate(xai, request, { width: 1280, height: 720, audio: true })).toEqual({
      microsPerSecond: 70_000,
      microsPerVideo: 2_000,
    });
  });
});

describe('the hold', () => {
  it.each<[number, number]>([
    [5, 5],
    [10, 12],
    [15, 16],
    [20, 20],
  ])('for %i s requested covers the longer of that and the made video: %i s', (duration, held) => {
    expect(priceOf({ model: 'sora-2', duration })).toEqual([100_000, held * 100_000]);
  });
});
