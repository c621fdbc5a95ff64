import { describe, expect, it } from 'vitest';
import { asStored, builtIn, check } from './builtIn.ts';

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
    ['is lower without audio', { model: 'veo-3.1-generate-001', duration: 8 }, [200_000, 1_600_000]],
    [
      'follows both',
      { model: 'veo-3.1-generate-001', duration: 8, resolution: '4k', generate_audio: true },
      [600_000, 4_800_000],
    ],
    // 1920 x 1088 x 24 / 1024 tokens a second, and 1440 x 1440 for a square; the larger one is shown for all.
    [
      'by tokens is that of the largest size',
      { model: 'seedance-1.0-pro', resolution: '1080p' },
      [122_400, 612_000],
    ],
  ])('%s', (_what, body, expected) => {
    expect(priceOf(body)).toEqual(expected);
  });
});

describe('the price of the delivered format', () => {
  const VEO = { model: 'veo-3.1-generate-001', duration: 8, resolution: '1080p', generate_audio: true };
  const FULL_HD = { width: 1920, height: 1080, audio: true };

  it.each<[string, object, object, number | undefined]>([
    ['as requested has no price of its own', {}, FULL_HD, undefined],
    ['without the requested audio has the price without audio', {}, { ...FULL_HD, audio: false }, 200_000],
    [
      'without audio that was not requested has no price of its own',
      { generate_audio: false },
      { ...FULL_HD, audio: false },
      undefined,
    ],
    ['in a smaller size has the price of that size', { resolution: '4k' }, FULL_HD, 400_000],
    ['in a larger size has no price of its own', {}, { width: 3840, height: 2160, audio: true }, undefined],
    [
      'in a size that the model does not have has no price of its own',
      {},
      { width: 1000, height: 500, audio: true },
      undefined,
    ],
  ])('%s', (_what, changes, delivered, rate) => {
    const { draft } = check({ ...VEO, ...changes });
    expect(builtIn.deliveredRate(asStored(draft), { ...FULL_HD, ...delivered })).toBe(rate);
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
