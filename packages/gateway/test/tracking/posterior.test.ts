import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BINS, binOf, EDGES, edgeMs, widthMs } from '../../src/tracking/bins.ts';
import { type Distribution, logNormal, quantileAfter, survivalAt } from '../../src/tracking/distribution.ts';
import { nextPollMs } from '../../src/tracking/nextPoll.ts';
import { posterior } from '../../src/tracking/posterior.ts';
import { catalogued, steady } from '../../src/tracking/prior.ts';
import { estimateAfter, job, logNormalSeconds, PRIOR } from './tracking.ts';

const counted = (seconds: readonly number[]): Float64Array => {
  const counts = new Float64Array(BINS);
  for (const one of seconds) counts[binOf(one * 1000)] = (counts[binOf(one * 1000)] ?? 0) + 1;
  return counts;
};
const learnt = (seconds: readonly number[]): Distribution =>
  posterior([{ ended: counted(seconds) }], catalogued(PRIOR), steady);
const median = (distribution: Distribution) => quantileAfter(distribution, 0, 0.5) / 1000;
/** What is between two ages, in seconds. */
const between = (distribution: Distribution, from: number, to: number) =>
  survivalAt(distribution, from * 1000) - survivalAt(distribution, to * 1000);
const hazard = ({ survival }: Distribution, bin: number) =>
  Math.log((survival[bin] ?? 0) / (survival[bin + 1] ?? 0)) / widthMs(bin);

describe('a steady distribution', () => {
  it('has a hazard that does not fall, until the age is many times what was said', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1, max: 1800, noNaN: true }),
        fc.double({ min: 1, max: 6, noNaN: true }),
        (medianSeconds, ratio) => {
          const known = catalogued({ medianSeconds, p90Seconds: medianSeconds * ratio });
          const { survival } = steady(known);
          let highest = 0;
          for (let bin = 0; bin < BINS - 1 && (known.survival[bin] ?? 0) > 0.001; bin++) {
            const here = hazard({ mass: known.mass, survival }, bin);
            const lasting = Math.min(highest, 6 / edgeMs(bin + 1));
            expect(here).toBeGreaterThanOrEqual(lasting * (1 - 1e-6) - 1e-12);
            highest = Math.max(highest, here);
          }
        },
      ),
    );
  });

  it('is the one it is made of, up to the highest hazard', () => {
    const known = logNormal(100_000, 0.5);
    for (const seconds of [30, 60, 100, 130])
      expect(survivalAt(steady(known), seconds * 1000)).toBeCloseTo(survivalAt(known, seconds * 1000), 3);
  });

  it('holds a day possible for a job of seconds', () => {
    expect(steady(logNormal(2000, 0.1)).survival[BINS - 1]).toBeGreaterThan(0);
  });
});

describe('polls of a model of which only the catalogue is known', () => {
  it('do not become rarer for a job that takes 2.5 times as long as most are said to', () => {
    const estimate = estimateAfter([]);
    const gap = (seconds: number) =>
      nextPollMs({
        estimate,
        job: job(seconds),
        price: 300,
        minIntervalMs: 1000,
        maxGapMs: 600_000,
        reliability: 0,
      }).ms;
    const gaps = [150, 200, 250, 300, 375].map(gap);
    for (const one of gaps) expect(one).toBeLessThan(1.1 * (gaps[0] ?? 0));
    expect(gap(20)).toBeGreaterThan(1.5 * (gaps[0] ?? 0));
  });
});

describe('what is known of durations', () => {
  it('is prudent as long as there are no samples', () => {
    const unlearnt = learnt([]);
    expect(median(unlearnt)).toBeGreaterThan(130);
    expect(median(unlearnt)).toBeLessThan(170);
    expect(unlearnt.mass).toEqual(posterior([], catalogued(PRIOR), steady).mass);
  });

  it.each([0.4, 2.5])('is moved to where five samples are, %f times off', (factor) => {
    const five = logNormalSeconds(150 * factor, 0.5, 5);
    const moved = learnt(five);
    expect(median(moved) / (150 * factor)).toBeGreaterThan(0.75);
    expect(median(moved) / (150 * factor)).toBeLessThan(1.33);
    // But keeps its spread: five samples tell little of it.
    expect(between(moved, 75 * factor, 300 * factor)).toBeLessThan(0.85);
  });

  it('is not narrowed down by a single sample', () => {
    const quartile = (distribution: Distribution, p: number) => quantileAfter(distribution, 0, p);
    const width = (distribution: Distribution) => quartile(distribution, 0.75) / quartile(distribution, 0.25);
    expect(width(learnt([150]))).toBeGreaterThan(width(catalogued(PRIOR)));
  });

  it('smooths samples of its own shape: ten of them show no gaps', () => {
    const distribution = learnt(logNormalSeconds(60, 0.8, 10));
    const truth = logNormal(60_000, 0.8);
    for (const [from, to] of [
      [20, 40],
      [40, 60],
      [60, 90],
      [90, 150],
    ] as const)
      expect(between(distribution, from, to) / between(truth, from, to)).toBeCloseTo(1, 0);
  });

  it('gives way to another shape: nothing ends between two times at which all do', () => {
    const two = [...logNormalSeconds(60, 0.15, 30), ...logNormalSeconds(300, 0.15, 20)];
    const distribution = learnt(two);
    expect(between(distribution, 110, 170)).toBeLessThan(0.02);
    expect(between(distribution, 40, 90)).toBeCloseTo(0.6, 1);
  });

  it('leaves no more below the lowest of many samples than is likely', () => {
    const seconds = Array.from({ length: 50 }, (_, i) => 30 * (1 - (i + 0.5) / 50) ** (-1 / 1.5));
    const edge = (EDGES[binOf(30_000)] ?? 0) / 1000;
    expect(between(learnt(seconds), 0, edge)).toBeLessThan(0.03);
    expect(between(learnt(seconds), 0, edge)).toBeGreaterThan(0.005);
  });

  it('comes from the relatives first, the nearest last', () => {
    const [far, near] = [logNormalSeconds(300, 0.3, 50), logNormalSeconds(60, 0.3, 50)];
    const both = posterior([{ ended: counted(far) }, { ended: counted(near) }], catalogued(PRIOR), steady);
    expect(median(both)).toBeGreaterThan(55);
    expect(median(both)).toBeLessThan(66);
  });
});
