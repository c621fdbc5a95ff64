import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitting } from '../../src/catalogue/fitting.ts';
import {
  brokenLimits,
  type ImageDemand,
  type ImagePlace,
  imageDemand,
  imageLimitsText,
} from '../../src/catalogue/imageLimits.ts';
import { builtIn, check } from './builtIn.ts';

const side = fc.integer({ min: 1, max: 20_000 });
const image = fc.record({ width: side, height: side });
const fit = fc.constantFrom('cover' as const, 'contain' as const);

/** Limits that some image can meet. */
const demand: fc.Arbitrary<ImageDemand> = fc.oneof(
  fc.record({
    size: fc.record({ width: fc.integer({ min: 2, max: 4000 }), height: fc.integer({ min: 2, max: 4000 }) }),
  }),
  fc.record(
    {
      minSide: fc.integer({ min: 1, max: 400 }),
      maxSide: fc.integer({ min: 2000, max: 8000 }),
      minRatio: fc.double({ min: 0.1, max: 0.9, noNaN: true }),
      maxRatio: fc.double({ min: 1.1, max: 10, noNaN: true }),
      maxBytes: fc.integer({ min: 3_000_000, max: 30_000_000 }),
    },
    { requiredKeys: [] },
  ),
  // A ratio that whole pixels seldom have.
  fc
    .record({
      ratio: fc.double({ min: 0.1, max: 10, noNaN: true }),
      more: fc.constantFrom(0, 0.0004, 0.002),
      sides: fc.constantFrom({}, { minSide: 300, maxSide: 6000 }),
    })
    .map(({ ratio, more, sides }) => ({ minRatio: ratio, maxRatio: ratio * (1 + more), ...sides })),
);

/** Shape and size alone: the format and the bytes come from encoding. */
const shapeProblems = (
  { size, minSide, maxSide, minRatio, maxRatio }: ImageDemand,
  made: { width: number; height: number },
) => {
  const limits = { size, minSide, maxSide, minRatio, maxRatio };
  const given = Object.fromEntries(Object.entries(limits).filter(([, limit]) => limit !== undefined));
  return brokenLimits(given, { ...made, format: 'jpeg', bytes: 1 });
};

describe('an image is fitted', () => {
  it('to a size that meets every limit, whatever its own is', () => {
    fc.assert(
      fc.property(demand, image, fit, (limits, from, how) => {
        const made = fitting(limits, from, how);
        expect(shapeProblems(limits, made)).toEqual([]);
        expect(made.width * made.height).toBeLessThan(51_000_000);
      }),
      { numRuns: 2000 },
    );
  });

  it('without being distorted: `cover` leaves no bar, `contain` cuts nothing off', () => {
    fc.assert(
      fc.property(demand, image, fit, (limits, from, how) => {
        const { width, height, drawn } = fitting(limits, from, how);
        expect(drawn.width / drawn.height / (from.width / from.height)).toBeCloseTo(1, 6);
        const [left, top] = [drawn.x, drawn.y];
        const [right, bottom] = [width - drawn.x - drawn.width, height - drawn.y - drawn.height];
        for (const edge of [left, top, right, bottom]) {
          if (how === 'cover') expect(edge).toBeLessThanOrEqual(1e-6);
          else expect(edge).toBeGreaterThanOrEqual(-1e-6);
        }
        // In the middle.
        expect(left - right).toBeCloseTo(0, 6);
        expect(top - bottom).toBeCloseTo(0, 6);
      }),
    );
  });

  it('and is not enlarged beyond what is demanded', () => {
    const limits = { minSide: 300, maxSide: 6000, minRatio: 0.4, maxRatio: 2.5 };
    expect(fitting(limits, { width: 200, height: 100 }, 'cover')).toMatchObject({ width: 600, height: 300 });
    expect(fitting(limits, { width: 1000, height: 1000 }, 'cover')).toMatchObject({
      width: 1000,
      height: 1000,
    });
    expect(fitting(limits, { width: 9000, height: 9000 }, 'cover')).toMatchObject({
      width: 6000,
      height: 6000,
    });
  });
});

it.each([
  ['an exact ratio may be missed by a pixel', { minRatio: 16 / 9, maxRatio: 16 / 9 }, 1921, true],
  ['not by more', { minRatio: 16 / 9, maxRatio: 16 / 9 }, 1922, false],
  [
    'a range of ratios may not be left, because the provider would refuse that',
    { maxRatio: 16 / 9 },
    1921,
    false,
  ],
])('%s', (_what, limits, width, fits) => {
  expect(shapeProblems(limits, { width, height: 1080 }).length === 0).toBe(fits);
});

it('the demand is the size of the video as it is sent upstream', () => {
  // Sora makes no 480p and no square.
  const { model, draft } = check({ model: 'sora-2', resolution: '480p', aspect_ratio: '1:1' });
  expect(imageDemand(model, draft, 'image')?.size).toMatchObject({ width: 1280, height: 720 });
});

const PLACES: readonly ImagePlace[] = ['image', 'lastFrame', {}];

describe.each(
  builtIn.list().flatMap((model) => {
    const { duration, resolution, aspectRatio } = model.parameters;
    const shape = {
      resolution: resolution.default,
      aspectRatio: aspectRatio.default,
      width: 1280,
      height: 720,
    };
    return PLACES.flatMap((place) => {
      const demand = imageDemand(model, { duration: duration.default, ...shape }, place);
      return demand ? [{ id: model.id, where: JSON.stringify(place), demand }] : [];
    });
  }),
)('the limits of $where of $id', ({ demand }) => {
  it.each([
    { width: 40, height: 30 },
    { width: 9000, height: 50 },
    { width: 50, height: 9000 },
  ])('can be met by an image of %j', (from) => {
    expect(shapeProblems(demand, fitting(demand, from, 'contain'))).toEqual([]);
  });
});

it('limits are said in words', () => {
  const textOf = (id: string) => {
    const limits = builtIn.get(id)?.parameters.image?.limits;
    return limits && imageLimitsText(limits);
  };
  expect(textOf('sora-2')).toBe('exactly the size of the video');
  expect(textOf('dashscope-kling-v3')).toBe(
    'sides of 300 to 8000 pixels, a ratio of width to height of 0.4 to 2.5, at most 10 MB, JPEG or PNG, no transparency, only by public https URL',
  );
});
