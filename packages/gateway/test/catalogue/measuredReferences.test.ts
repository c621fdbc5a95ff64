import { describe, expect, it } from 'vitest';
import { createCatalogue } from '../../src/catalogue/catalogue.ts';
import { checkMeasuredReferences } from '../../src/catalogue/measuredReferences.ts';
import { checkRequest } from '../../src/catalogue/validate/request.ts';
import type { Reference } from '../../src/tasks/request.ts';
import { asStored, builtIn } from './builtIn.ts';

const MP4 = 'https://example.com/a.mp4';

const catalogue = createCatalogue({
  overrides: {
    'onetake-preview': {
      parameters: {
        references: {
          kind: 'references',
          takes: [
            {
              type: 'video',
              max: 3,
              limits: {
                formats: ['mp4', 'mov'],
                maxBytes: 200_000_000,
                minSide: 300,
                maxSide: 6000,
                minRatio: 0.4,
                maxRatio: 2.5,
                minPixels: 400_000,
                minFps: 24,
                maxFps: 60,
                minSeconds: 2,
                maxSeconds: 15,
                totalSeconds: 15,
                by: 'url',
              },
            },
            { type: 'image', max: 2, limits: { minSide: 300 } },
            { type: 'audio', max: 2, limits: { formats: ['wav'], maxSeconds: 10 } },
          ],
        },
      },
      price: {
        currency: 'USD',
        rates: [{ withVideo: true, microsPerSecond: 600 }, { microsPerSecond: 1000 }],
        videos: { most: 20, leastOfResult: 0.5 },
        billing: 'for tests',
      },
    },
  },
  servers: [],
});

type Facts = Partial<{
  duration: number;
  width: number;
  height: number;
  fps: number;
  bytes: number;
  contentType: string;
  sourceUrl: string;
}>;

const FILE = { mediaId: 'm', bytes: 1000, width: 1280, height: 720, duration: 5, fps: 24, sourceUrl: MP4 };
const video = (facts: Facts = {}): Reference => ({
  type: 'video',
  input: { ...FILE, contentType: 'video/mp4', ...facts },
});
const audio = (facts: Facts = {}): Reference => ({
  type: 'audio',
  input: { ...FILE, contentType: 'audio/wav', ...facts },
});
const image = (facts: Facts = {}): Reference => ({
  type: 'image',
  input: { ...FILE, contentType: 'image/png', ...facts },
});

function measure(references: readonly Reference[], { hasLinks = false, duration = 6 } = {}) {
  const checked = checkRequest(
    {
      model: 'onetake-preview',
      prompt: 'a boat',
      duration,
      ...(references.length > 0 ? { references: references.map(({ type }) => ({ type, url: MP4 })) } : {}),
    },
    catalogue,
  );
  return checkMeasuredReferences(
    checked,
    { ...asStored(checked.draft), ...(references.length > 0 ? { references } : {}) },
    catalogue,
    hasLinks,
  );
}

describe('a measured reference', () => {
  it('within all limits is accepted', () => {
    expect(() => measure([video(), video({ duration: 10 }), audio(), image()])).not.toThrow();
    // Rates and durations are fractions.
    expect(() => measure([video({ fps: 23.976, duration: 1.96 })])).not.toThrow();
  });

  it.each<[string, readonly Reference[], RegExp]>([
    [
      'its format',
      [video({ contentType: 'video/webm' })],
      /takes videos only as mp4 or mov; this one has webm\./,
    ],
    ['its bytes', [video({ bytes: 250_000_000 })], /takes videos of up to 200 MB; this one has 250 MB\./],
    ['a side', [video({ width: 200 })], /takes videos of 300 to 6000 pixels a side; this one has 200 pixels/],
    [
      'its shape',
      [video({ width: 3000, height: 1000 })],
      /of 0\.4 to 2\.5 times as wide as high; this one has 3 times/,
    ],
    ['its pixels', [video({ width: 400, height: 400 })], /of at least 400000 pixels; this one has 160000/],
    ['its rate', [video({ fps: 12 })], /frames a second; this one has 12/],
    ['too short', [video({ duration: 1 })], /s; this one has 1 s\./],
    ['too long', [video({ duration: 20 })], /this one has 20 s\./],
    [
      'the side of an image',
      [image({ height: 10 })],
      /takes images of at least 300 pixels a side; this one has 10/,
    ],
    ['the duration of a sound', [audio({ duration: 12 })], /takes audio files of at most 10/],
  ])('is refused for %s', (_what, references, message) => {
    expect(() => measure(references)).toThrow(message);
    expect(() => measure(references)).toThrow(/^references\[0\]: onetake-preview takes /);
  });

  it('is refused for its duration together with others', () => {
    expect(() => measure([video({ duration: 8 }), video({ duration: 8 })])).toThrow(
      'references: onetake-preview takes videos of up to 15 s together; these have 16 s.',
    );
  });

  it('that the upstream fetches needs a link, of the caller or of the gateway', () => {
    const { sourceUrl: _, ...here } = FILE;
    const stored: Reference = { type: 'video', input: { ...here, contentType: 'video/mp4' } };
    expect(() => measure([stored])).toThrow(
      /fetches videos itself; give a public url of it.*ONETAKE_PUBLIC_URL/,
    );
    expect(() => measure([stored], { hasLinks: true })).not.toThrow();
  });
});

describe('a video to edit', () => {
  const edit = (model: string, seconds: number, hasLinks = true) => {
    const checked = checkRequest(
      { model, prompt: 'replace the boat', references: [{ type: 'video', role: 'source', url: MP4 }] },
      builtIn,
    );
    const references = [{ ...video({ duration: seconds }), role: 'source' }];
    return checkMeasuredReferences(checked, { ...asStored(checked.draft), references }, builtIn, hasLinks);
  };

  it('sets the duration, which the upstream measures itself', () => {
    const { request, price } = edit('seedance-2.5', 7.2);
    expect(request).toMatchObject({ duration: 8, autoDuration: true });
    expect(price.holdMicros).toBeGreaterThan((8 + 7.2) * price.microsPerSecond);
    expect(edit('happyhorse-1.0-video-edit', 40)).toMatchObject({
      request: { duration: 15, autoDuration: true },
      price: { holdMicros: (15 + 15) * 140_000 },
    });
    expect(() => edit('seedance-2.5', 3)).toThrow(
      /takes videos with role source of .*4 to 30 s; this one has 3 s/,
    );
  });

  it('is taken for the longest there can be if the upstream fetches it from the caller', () => {
    const unsure = edit('seedance-2.5', 7.2, false);
    expect(unsure.request).toMatchObject({ duration: 30, autoDuration: true });
    expect(unsure.price.holdMicros).toBeGreaterThan((30 + 30) * unsure.price.microsPerSecond);
    // 3 to 15 s of result, and 3 to 10 s of source.
    expect(edit('dashscope-kling-v3-omni', 4, false).request.duration).toBe(10);
  });
});

describe('the price of a request with videos', () => {
  it.each<[string, number[], number, number]>([
    ['none', [], 6, 6 * 1000],
    ['their seconds', [8], 6, (8 + 6) * 600],
    ['at least a part of the result', [2], 6, (3 + 6) * 600],
  ])('covers %s', (_what, seconds, duration, micros) => {
    const { price } = measure(
      seconds.map((duration) => video({ duration })),
      { duration, hasLinks: true },
    );
    expect(price.holdMicros).toBe(micros);
  });

  it.each<[string, Reference[], boolean, number]>([
    ['the longest, if the upstream fetches them from the caller', [video({ duration: 2 })], false, 15],
    ['the longest together', [video({ duration: 2 }), video({ duration: 2 })], false, 15],
    ['what was measured, if it gets that', [video({ duration: 8 })], true, 8],
  ])('covers %s', (_what, references, hasLinks, seconds) => {
    expect(measure(references, { hasLinks }).price.holdMicros).toBe((seconds + 6) * 600);
  });

  it('covers the longest videos until they are measured', () => {
    const references = Array(3).fill({ type: 'video', url: MP4 });
    const body = { model: 'onetake-preview', prompt: 'a boat', duration: 6, references };
    // Three of 15 s, which may have 15 s together.
    expect(checkRequest(body, catalogue).price.holdMicros).toBe((15 + 6) * 600);
  });
});
