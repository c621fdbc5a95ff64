import { createEstimator } from '@onetake/gateway';
import { stream } from '../../chaos/shared/random.ts';
import { type Cost, frontier, leastDelay, optimum, type Schedule } from './optimum.ts';
import { exactCost, KIND, learn, MIN_INTERVAL, OTHERS, ours, play } from './schedules.ts';
import { mean, type Workload } from './workloads.ts';

/** Delays in seconds. */
export interface Row {
  readonly polls: number;
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** Mean delay by the least that is possible with as many polls. */
  readonly byOptimum: number | undefined;
  /** Mean delay by that of a fixed interval with as many polls. */
  readonly byFixed: number;
  /** Part of the jobs of which the end is never seen. */
  readonly lost: number;
}

/** Polls by delay, each of a schedule from rare polls to frequent ones. */
export interface Curves {
  readonly optimum: readonly Cost[];
  readonly ours: readonly Cost[];
  readonly fixed: readonly Cost[];
}

/** Jobs that an estimator has seen when it counts as warm. */
const WARM = 1000;
/** How far a wrong catalogue is off. */
const OFF = 2.5;

/** All ways to poll the jobs of one kind, at the number of polls that a fixed interval of 5 s takes. */
export function compare(
  workload: Workload,
  jobs: number,
  seed: string,
): { rows: Record<string, Row>; curves: Curves } {
  const optima = frontier(workload, MIN_INTERVAL);
  const price = priceOf(workload, exactMean(workload, (age) => age + 5).polls);
  const rows: Record<string, Row> = {};
  const random = () => stream(`${seed} ${workload.name}`);
  const simulated = (schedule: (offset: number) => Schedule) => {
    const tally = createTally();
    const draw = random();
    for (let job = 0; job < jobs; job++) {
      const dayPart = workload.drifts ? job / jobs : 0;
      tally.add(play(workload, schedule(draw()), dayPart, draw));
    }
    return tally.row(optima, workload);
  };
  for (const [name, schedule] of Object.entries(OTHERS)) rows[name] = simulated(schedule);
  for (const [name, factor] of [
    ['catalogue right', 1],
    [`catalogue ${OFF} × too long`, OFF],
    [`catalogue ${OFF} × too short`, 1 / OFF],
  ] as const) {
    rows[`cold, ${name}`] = learning(workload, { price, factor, seen: 0, random: random(), optima });
    rows[`after 10, ${name}`] = learning(workload, { price, factor, seen: 10, random: random(), optima });
    rows[`after 50, ${name}`] = learning(workload, { price, factor, seen: 50, random: random(), optima });
  }
  const tally = createTally();
  learn(workload, {
    ...{ price, warmUp: WARM, jobs, random: random() },
    each: (played) => tally.add(played),
  });
  rows.warm = tally.row(optima, workload);
  const best = optimum(workload, price, MIN_INTERVAL);
  rows.optimum = simulated(() => best.next);
  return {
    rows,
    curves: { optimum: optima, ours: sweep(workload, jobs, random), fixed: fixedSweep(workload) },
  };
}

/** Estimators that have seen so many jobs, with a catalogue that is off by a factor: the exact cost of what they would do. */
function learning(
  workload: Workload,
  options: { price: number; factor: number; seen: number; random: () => number; optima: readonly Cost[] },
): Row {
  const { price, factor, seen, random, optima } = options;
  const { medianSeconds, p90Seconds } = workload.prior;
  const prior = { medianSeconds: medianSeconds * factor, p90Seconds: p90Seconds * factor };
  const tally = createTally();
  for (let round = 0; round < 40; round++) {
    // An estimator sees its first jobs at one time of the day.
    const dayPart = workload.drifts ? round / 40 : 0;
    const frozen: Workload = { ...workload, drifts: false, draw: (draw) => workload.draw(draw, dayPart) };
    const estimator = learn(frozen, { estimator: createEstimator(), prior, price, jobs: seen, random });
    const schedule = ours(estimator.estimate(KIND, prior), price);
    tally.addExact(exactCost(workload, schedule, dayPart));
    for (let job = 0; job < 100; job++) tally.add(play(workload, schedule, dayPart, random));
  }
  return tally.row(optima, workload);
}

/** Warm estimators at prices from low to high. */
function sweep(workload: Workload, jobs: number, random: () => () => number): Cost[] {
  return Array.from({ length: 12 }, (_, step) => {
    const costs: Cost[] = [];
    learn(workload, {
      price: workload.prior.medianSeconds * 0.0005 * 2.2 ** step,
      warmUp: WARM,
      jobs: Math.max(WARM, Math.floor(jobs / 10)),
      random: random(),
      each: (_played, dayPart, job, schedule) => {
        if (job % 50 === 0) costs.push(exactCost(workload, schedule, dayPart));
      },
    });
    return averageOf(costs);
  });
}

function fixedSweep(workload: Workload): Cost[] {
  return Array.from({ length: 12 }, (_, step) =>
    exactMean(workload, (age) => age + workload.prior.medianSeconds * 0.02 * 1.5 ** step),
  );
}

const averageOf = (costs: readonly Cost[]): Cost => ({
  polls: mean(costs.map(({ polls }) => polls)),
  delaySeconds: mean(costs.map(({ delaySeconds }) => delaySeconds)),
});

function exactMean(workload: Workload, schedule: Schedule): Cost {
  const parts = workload.drifts ? Array.from({ length: 24 }, (_, part) => (part + 0.5) / 24) : [0];
  return averageOf(parts.map((dayPart) => exactCost(workload, schedule, dayPart)));
}

/** The mean delay of the fixed interval that takes so many polls. */
function fixedDelay(workload: Workload, polls: number): number {
  let low = 0.05;
  let high = 1e5;
  while (high / low > 1.005) {
    const middle = Math.sqrt(low * high);
    if (exactMean(workload, (age) => age + middle).polls > polls) low = middle;
    else high = middle;
  }
  return exactMean(workload, (age) => age + high).delaySeconds;
}

/** The price at which the optimum takes so many polls. */
function priceOf(workload: Workload, polls: number): number {
  let low = 1e-6;
  let high = 1e4;
  while (high / low > 1.02) {
    const middle = Math.sqrt(low * high);
    if (optimum(workload, middle, MIN_INTERVAL).polls > polls) low = middle;
    else high = middle;
  }
  return high;
}

function createTally() {
  const delays: number[] = [];
  const exact: Cost[] = [];
  let polls = 0;
  let jobs = 0;
  return {
    add(played: { readonly polls: number; readonly delay: number | undefined }) {
      jobs++;
      polls += played.polls;
      if (played.delay !== undefined) delays.push(played.delay);
    },
    /** From then on, only quantiles are those of the jobs. */
    addExact: (cost: Cost) => void exact.push(cost),
    row(optima: readonly Cost[], workload: Workload): Row {
      delays.sort((a, b) => a - b);
      const quantile = (p: number) =>
        delays[Math.min(delays.length - 1, Math.floor(p * delays.length))] ?? Number.NaN;
      const cost = exact.length > 0 ? averageOf(exact) : { polls: polls / jobs, delaySeconds: mean(delays) };
      const least = leastDelay(optima, cost.polls);
      const byOptimum = least === undefined ? undefined : cost.delaySeconds / least;
      const byFixed = cost.delaySeconds / fixedDelay(workload, cost.polls);
      const lost = 1 - delays.length / jobs;
      return {
        polls: cost.polls,
        mean: cost.delaySeconds,
        p50: quantile(0.5),
        p95: quantile(0.95),
        p99: quantile(0.99),
        byOptimum,
        byFixed,
        lost,
      };
    },
  };
}
