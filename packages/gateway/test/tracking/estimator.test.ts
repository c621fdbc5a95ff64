import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BINS } from '../../src/tracking/bins.ts';
import { quantileAfter, survivalAt } from '../../src/tracking/distribution.ts';
import type { Estimate } from '../../src/tracking/estimate.ts';
import { createEstimator } from '../../src/tracking/estimator.ts';
import { type Kind, keyOf, kindOfKey } from '../../src/tracking/kind.ts';
import { remainingMs } from '../../src/tracking/remainingTime.ts';
import {
  estimateAfter,
  job,
  KIND,
  learnAll,
  logNormalSeconds,
  PRIOR,
  START_MS,
  succeededAt,
} from './tracking.ts';

const HOUR_MS = 3_600_000;

const medianSeconds = (estimate: ReturnType<typeof estimateAfter>) =>
  quantileAfter(estimate.total.succeeded, 0, 0.5) / 1000;

describe('an estimate', () => {
  it('is that of the catalogue as long as nothing is learnt', () => {
    const { total } = estimateAfter([]);
    expect(quantileAfter(total.succeeded, 0, 0.5) / 1000).toBeCloseTo(150, -1);
    expect(quantileAfter(total.succeeded, 0, 0.9) / 1000).toBeGreaterThan(330);
    expect(quantileAfter(total.succeeded, 0, 0.9) / 1000).toBeLessThan(450);
  });

  it('holds times possible that the catalogue does not: a catalogue may be wrong', () => {
    const { total } = estimateAfter([]);
    expect(survivalAt(total.ended, 1_500_000)).toBeGreaterThan(1e-4);
    expect(1 - survivalAt(total.ended, 5000)).toBeGreaterThan(1e-3);
  });

  it.each([60, 375])('is corrected by fifty samples if the catalogue is 2.5 times off (%i s)', (seconds) => {
    const estimate = estimateAfter(logNormalSeconds(seconds, 0.5, 50).map((one) => succeededAt(one)));
    expect(medianSeconds(estimate) / seconds).toBeGreaterThan(0.93);
    expect(medianSeconds(estimate) / seconds).toBeLessThan(1.07);
  });

  it('follows an upstream that becomes slower', () => {
    const fast = logNormalSeconds(60, 0.3, 400).map((one) => succeededAt(one));
    const slow = logNormalSeconds(180, 0.3, 400).map((one) => succeededAt(one));
    expect(medianSeconds(estimateAfter([...fast, ...slow]))).toBeGreaterThan(120);
  });

  it('forgets with time, but never so much that the catalogue counts again', () => {
    const estimator = createEstimator();
    learnAll(
      logNormalSeconds(60, 0.3, 300).map((one) => succeededAt(one)),
      estimator,
    );
    const before = estimator.estimate(KIND, PRIOR).samples;
    estimator.learn(KIND, PRIOR, succeededAt(60), START_MS + 12 * HOUR_MS);
    learnAll([succeededAt(60)], estimator);
    expect(estimator.estimate(KIND, PRIOR).samples).toBeLessThan(0.5 * before);
    estimator.learn(KIND, PRIOR, succeededAt(60), START_MS + 1000 * HOUR_MS);
    expect(estimator.estimate(KIND, PRIOR).samples).toBeGreaterThan(25);
    expect(medianSeconds(estimator.estimate(KIND, PRIOR))).toBeLessThan(75);
  });

  it('keeps successes and failures apart', () => {
    const estimate = estimateAfter([
      ...logNormalSeconds(150, 0.3, 80).map((one) => succeededAt(one)),
      ...Array.from({ length: 20 }, () => ({ ...succeededAt(3), outcome: 'failed' as const })),
    ]);
    expect(medianSeconds(estimate)).toBeGreaterThan(130);
    expect(1 - survivalAt(estimate.total.ended, 10_000)).toBeGreaterThan(0.1);
    expect(1 - survivalAt(estimate.total.succeeded, 10_000)).toBeLessThan(0.05);
  });

  it('takes an end that is only known to be between two polls for likely where ends were', () => {
    const exact = logNormalSeconds(150, 0.2, 100).map((one) => succeededAt(one));
    const wide = Array.from({ length: 100 }, () => ({
      outcome: 'succeeded' as const,
      total: { fromMs: 0, toMs: 1_000_000 },
    }));
    const { total } = estimateAfter([...exact, ...wide]);
    expect(quantileAfter(total.succeeded, 0, 0.9) / 1000).toBeLessThan(230);
  });

  it('of a kind without samples comes from its relatives, the nearest most', () => {
    const estimator = createEstimator();
    const elsewhere: Kind = { ...KIND, account: 'azure' };
    learnAll(
      logNormalSeconds(300, 0.3, 100).map((one) => succeededAt(one)),
      estimator,
      elsewhere,
    );
    expect(medianSeconds(estimator.estimate(KIND, PRIOR))).toBeGreaterThan(270);
    learnAll(
      logNormalSeconds(40, 0.3, 100).map((one) => succeededAt(one)),
      estimator,
      { ...KIND, resolution: '1080p' },
    );
    expect(medianSeconds(estimator.estimate(KIND, PRIOR))).toBeLessThan(50);
    expect(medianSeconds(estimator.estimate({ ...KIND, model: 'veo-3' }, PRIOR))).toBeGreaterThan(120);
  });

  it('is a distribution, whatever is learnt', () => {
    const times = fc.double({ min: 0, max: 2e8, noNaN: true });
    const sample = fc.record({
      outcome: fc.constantFrom('succeeded' as const, 'failed' as const),
      total: fc.tuple(times, times).map(([a, b]) => ({ fromMs: Math.min(a, b), toMs: Math.max(a, b) })),
      queueMs: fc.option(times, { nil: undefined }),
      renderMs: fc.option(times, { nil: undefined }),
      progress: fc.array(
        fc.record({ percent: fc.double({ min: -5, max: 150, noNaN: true }), ageMs: times }),
        { maxLength: 3 },
      ),
    });
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 30 }), times, (samples, age) => {
        const estimate = estimateAfter(samples);
        const durations = [estimate.total, estimate.render, estimate.waiting(age).duration];
        for (const duration of durations)
          for (const { mass, survival } of duration
            ? [duration.succeeded, duration.failed, duration.ended]
            : []) {
            expect(mass.every((one: number) => one >= 0 && one <= 1 + 1e-9)).toBe(true);
            expect(survival[0]).toBeCloseTo(1, 9);
          }
      }),
      { numRuns: 50 },
    );
  });
});

/**
 * A thousand jobs that are submitted within a minute and polled every few seconds, as an upstream works on them from the first moment on.
 * `at` is called after so many seconds, with the times that those that are open still take.
 */
function burst(
  seconds: readonly number[],
  at: (elapsed: number, left: readonly number[], estimate: Estimate) => void,
  tells = false,
) {
  const estimator = createEstimator();
  const jobs = logNormalSeconds(240, 1, 1000).map((took, n) => ({
    submitted: (n * 60) / 1000,
    took,
    told: 0,
    hasEnded: false,
  }));
  for (let elapsed = 1; elapsed <= Math.max(...seconds); elapsed++) {
    const now = START_MS + elapsed * 1000;
    for (const [n, job] of jobs.entries()) {
      const age = elapsed - job.submitted;
      if (job.hasEnded || age <= 0 || (elapsed + n) % 4 > 0) continue;
      job.hasEnded = age >= job.took;
      const span = { fromMs: job.told * 1000, toMs: age * 1000 };
      // Three seconds of it in the queue.
      const times = tells ? { queueMs: 3000, renderMs: job.took * 1000 - 3000 } : {};
      if (!job.hasEnded) estimator.outlasted(KIND, tells ? { ...span, startedMs: 3000 } : span, now);
      else
        estimator.learn(
          KIND,
          BURST,
          { outcome: 'succeeded', total: span, countedMs: span.fromMs, ...times },
          now,
        );
      job.told = age;
    }
    if (!seconds.includes(elapsed)) continue;
    const left = jobs.flatMap((job) => (job.hasEnded ? [] : [job.submitted + job.took - elapsed]));
    at(elapsed, left, estimator.estimate(KIND, BURST));
  }
}
/** The catalogue's times of such jobs. */
const BURST = { medianSeconds: 240, p90Seconds: 865 };

describe('of many jobs that are submitted together', () => {
  it.each([
    ['total', false],
    ['render', true],
  ] as const)('the %s time is not that of the first to end', (_what, tells) => {
    burst(
      [30, 60, 120, 240, 480, 900],
      (elapsed, left, estimate) => {
        // Younger by half a minute on average, if they have all been submitted.
        const age = Math.max(elapsed / 2, elapsed - 30);
        const { medianMs } = remainingMs(estimate, job(age, tells ? { startedAgeMs: 3000 } : {}));
        const right = left.filter((seconds) => seconds <= medianMs / 1000).length / left.length;
        expect(right, `after ${elapsed} s`).toBeGreaterThan(0.35);
        expect(right, `after ${elapsed} s`).toBeLessThan(0.65);
      },
      tells,
    );
  });

  it('the part that fails is not that of the first to end', () => {
    const estimator = createEstimator();
    for (let n = 0; n < 200; n++) estimator.outlasted(KIND, { fromMs: 0, toMs: 20_000 }, START_MS);
    for (let n = 0; n < 3; n++)
      estimator.learn(KIND, PRIOR, { outcome: 'failed', total: { fromMs: 1000, toMs: 2000 } }, START_MS);
    const { ended, succeeded } = estimator.estimate(KIND, PRIOR).total;
    expect(survivalAt(succeeded, 20_000) - survivalAt(ended, 20_000)).toBeLessThan(0.05);
  });
});

describe('a job that has lasted for a while', () => {
  it('counts the same in parts, at once at its end, and as it was stored before parts were counted', () => {
    const [parts, whole] = [createEstimator(), createEstimator()];
    for (const seconds of logNormalSeconds(100, 0.5, 40)) {
      let countedMs = 0;
      for (; countedMs + 7000 < seconds * 1000; countedMs += 7000)
        parts.outlasted(KIND, { fromMs: countedMs, toMs: countedMs + 7000 }, START_MS);
      const sample = succeededAt(seconds);
      parts.learn(KIND, PRIOR, { ...sample, countedMs }, START_MS);
      whole.learn(KIND, PRIOR, sample, START_MS);
    }
    const { counts, ...stored } = JSON.parse(whole.save(KIND).json);
    const size = stored.size - 2 * BINS;
    const before = createEstimator();
    const kept = counts.flatMap((value: number, i: number) =>
      i % 2 === 0 && value < size ? [value, counts[i + 1]] : [],
    );
    before.restore(KIND, { json: JSON.stringify({ ...stored, size, counts: kept }), version: 1 });
    for (const p of [0.1, 0.5, 0.9]) {
      const [one, other, old] = [parts, whole, before].map((estimator) =>
        quantileAfter(estimator.estimate(KIND, PRIOR).total.succeeded, 0, p),
      ) as [number, number, number];
      // Each sample fades a little with those after it, and so do parts that were told before them.
      expect(one / other).toBeGreaterThan(0.9);
      expect(one / other).toBeLessThan(1.1);
      expect(old / other).toBeCloseTo(1, 2);
    }
  });

  it('that all outlive the catalogue by far, tells that they take long, before any has ended', () => {
    const estimator = createEstimator();
    for (let n = 0; n < 20; n++) estimator.outlasted(KIND, { fromMs: 0, toMs: 900_000 }, START_MS);
    expect(medianSeconds(estimator.estimate(KIND, PRIOR))).toBeGreaterThan(600);
  });
});

it('a kind is read from its name', () => {
  for (const kind of [KIND, { account: 'a', model: 'm' }]) expect(kindOfKey(keyOf(kind))).toEqual(kind);
  for (const name of ['', '[]', '[1,2,3,4]']) expect(kindOfKey(name)).toBeUndefined();
});

describe('what an estimator has learnt', () => {
  const samples = logNormalSeconds(60, 0.4, 60).map((one) =>
    succeededAt(one, {
      queueMs: one * 200,
      renderMs: one * 800,
      progress: [{ percent: 50, ageMs: one * 600 }],
    }),
  );

  it('survives a restart', () => {
    const before = learnAll(samples);
    const { json } = before.save(KIND);
    expect(json.length).toBeLessThan(6000);
    const after = createEstimator();
    after.restore(KIND, { json, version: 1 });
    const [one, other] = [before.estimate(KIND, PRIOR), after.estimate(KIND, PRIOR)];
    expect(medianSeconds(other) / medianSeconds(one)).toBeCloseTo(1, 1);
    expect(other.progressError(50).mean).toBeCloseTo(one.progressError(50).mean, 3);
    expect(other.samples / one.samples).toBeCloseTo(1, 1);
  });

  it('is saved once, with the samples of other nodes, and with those that came while it was being saved', () => {
    const here = learnAll(samples.slice(0, 20));
    const there = learnAll(samples.slice(20, 40));
    const theirs = there.save(KIND);
    theirs.saved();
    expect(there.unsaved()).toEqual([]);

    const refused = here.save(KIND);
    learnAll(samples.slice(40), here);
    expect(refused.json).not.toBe('');
    here.restore(KIND, { json: theirs.json, version: 1 });
    const ours = here.save(KIND);
    ours.saved();
    expect(here.unsaved()).toEqual([]);
    expect(here.estimate(KIND, PRIOR).samples).toBeGreaterThan(48);
    expect(here.estimate(KIND, PRIOR).samples).toBeLessThan(55);

    there.restore(KIND, { json: ours.json, version: 2 });
    expect(there.estimate(KIND, PRIOR).samples / here.estimate(KIND, PRIOR).samples).toBeCloseTo(1, 1);
  });

  it.each(['', '{}', 'null', '{"version":9}', '[1', '{"version":1,"at":0,"size":5,"counts":[]}'])(
    'is learnt anew if what is stored cannot be read: %s',
    (json) => {
      const estimator = createEstimator();
      estimator.restore(KIND, { json, version: 1 });
      expect(estimator.estimate(KIND, PRIOR).samples).toBe(0);
    },
  );

  it('is learnt anew if what is stored cannot be a count', () => {
    const stored = JSON.parse(learnAll(samples.slice(0, 10)).save(KIND).json);
    const estimator = createEstimator();
    estimator.restore(KIND, { json: JSON.stringify({ ...stored, counts: [40, 1e308] }), version: 1 });
    expect(estimator.estimate(KIND, PRIOR).samples).toBe(0);
  });

  it('is kept for the most recently used kinds only', () => {
    const estimator = createEstimator({ maxKinds: 2 });
    const kinds = ['a', 'b', 'c'].map((model) => ({ ...KIND, model }));
    for (const kind of kinds) {
      learnAll(samples.slice(0, 10), estimator, kind);
      estimator.save(kind).saved();
    }
    const known = kinds.toReversed().map((kind) => estimator.estimate(kind, PRIOR).samples > 0);
    expect(known).toEqual([true, true, false]);
  });

  it('is kept until it is stored, and what has been forgotten is not taken for the stored version', () => {
    const estimator = createEstimator({ maxKinds: 1 });
    learnAll(samples.slice(0, 10), estimator);
    estimator.estimate({ ...KIND, model: 'other' }, PRIOR);
    expect(estimator.unsaved()).toEqual([KIND]);
    expect(estimator.save(KIND)).toMatchObject({ version: 0 });
    estimator.save(KIND).saved();
    estimator.estimate({ ...KIND, model: 'other' }, PRIOR);
    learnAll(samples.slice(0, 1), estimator);
    // Another version is stored, so that this one is refused, and added to it.
    expect(estimator.save(KIND)).toMatchObject({ version: 0 });
  });

  it('gives the same estimate until there is more to know', () => {
    const estimator = learnAll(samples);
    const estimate = estimator.estimate(KIND, PRIOR);
    expect(estimator.estimate({ ...KIND }, { ...PRIOR })).toBe(estimate);
    learnAll(samples, estimator);
    expect(estimator.estimate(KIND, PRIOR)).not.toBe(estimate);
  });
});
