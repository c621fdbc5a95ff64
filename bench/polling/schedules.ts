import {
  createEstimator,
  type Estimate,
  type Estimator,
  type Kind,
  nextPollMs,
  type Prior,
  type Sample,
} from '@onetake/gateway';
import type { Cost, Schedule } from './optimum.ts';
import { invert, type Workload } from './workloads.ts';

/** How others poll. The offset, from 0 to 1, is where in its interval a poller is that does not begin with the job. */
export const OTHERS: Readonly<Record<string, (offset: number) => Schedule>> = {
  'fixed 3 s': () => (age) => age + 3,
  'fixed 5 s': () => (age) => age + 5,
  // The first after 1 s.
  'exponential ×1.5 to 30 s': () => (age) => age + Math.min(30, Math.max(1, age * 0.5 + 1)),
  // generateVideo of the package `ai` asks every 5 s and throws after 600 s.
  'AI SDK': () => (age) => (age + 5 > 600 ? Number.POSITIVE_INFINITY : age + 5),
  // asyncTaskPollHandler runs every 15 s (controller/system_task_handlers.go of QuantumNous/new-api), over all jobs of all users. It polls
  // the jobs of a channel one after the other, a second from each other (service/task_polling.go): more than 15 of them take longer.
  'new-api': (offset) => (age) => age + (age === 0 ? 15 * offset : 15),
  // The proxy passes each query of its client on, and polls nothing itself. The loop in its documentation (docs.litellm.ai/docs/videos)
  // sleeps 10 s.
  LiteLLM: () => (age) => age + 10,
};

export const KIND: Kind = { account: 'bench', model: 'bench' };
/** As for an account whose documented limit is a poll a second and job. */
export const MIN_INTERVAL = 1;

/** The schedule of this gateway, at a price that stays the same. */
export const ours =
  (estimate: Estimate, price: number): Schedule =>
  (age) => {
    const job = { ageMs: age * 1000, lastPollAgeMs: age * 1000, state: 'running' as const };
    const limits = { minIntervalMs: MIN_INTERVAL * 1000, maxGapMs: 86_400_000, reliability: 0 };
    return age + nextPollMs({ estimate, job, price: price * 1000, ...limits }).ms / 1000;
  };

export interface Played {
  readonly polls: number;
  /** Undefined if the job is never polled after its end. */
  readonly delay: number | undefined;
  readonly sample: Sample;
}

/** Polls one job until its end is seen. */
export function play(workload: Workload, schedule: Schedule, dayPart: number, random: () => number): Played {
  const { seconds, failed } = workload.draw(random, dayPart);
  let polled = 0;
  for (let polls = 1; ; polls++) {
    const next = schedule(polled, dayPart);
    if (next >= seconds) {
      const total = { fromMs: polled * 1000, toMs: next * 1000 };
      const sample = { outcome: failed ? ('failed' as const) : ('succeeded' as const), total };
      return { polls, delay: Number.isFinite(next) ? next - seconds : undefined, sample };
    }
    polled = next;
  }
}

/** Lets the estimator see jobs that are polled at this price: first some to become warm, then those of one day. */
export function learn(
  workload: Workload,
  options: {
    readonly estimator?: Estimator;
    readonly prior?: Prior;
    readonly price: number;
    readonly warmUp?: number;
    readonly jobs: number;
    readonly random: () => number;
    /** Called with each of the day, before the estimator sees it. */
    readonly each?: (played: Played, dayPart: number, job: number, schedule: Schedule) => void;
  },
): Estimator {
  const {
    estimator = createEstimator(),
    prior = workload.prior,
    price,
    warmUp = 0,
    jobs,
    random,
    each,
  } = options;
  for (let job = -warmUp; job < jobs; job++) {
    const days = 10 + job / Math.max(1, jobs);
    const dayPart = workload.drifts ? days % 1 : 0;
    const schedule = ours(estimator.estimate(KIND, prior), price);
    const played = play(workload, schedule, dayPart, random);
    if (job >= 0) each?.(played, dayPart, job, schedule);
    estimator.learn(KIND, prior, played.sample, workload.drifts ? days * 86_400_000 : 0);
  }
  return estimator;
}

/** What a schedule costs on average, without chance: from the exact distribution. */
export function exactCost(workload: Workload, schedule: Schedule, dayPart: number): Cost {
  const end = invert((seconds) => workload.below(seconds, dayPart), 0.999999);
  let polls = 0;
  let delaySeconds = 0;
  let ended = 0;
  for (let age = 0; age < end; ) {
    const next = schedule(age, dayPart);
    polls += 1 - ended;
    // Simpson's rule for the integral of (F(u) - F(age)).
    const pieces = 8;
    const width = (next - age) / pieces;
    let area = 0;
    for (let i = 0; i <= pieces; i++) {
      const weight = i === 0 || i === pieces ? 1 : i % 2 === 1 ? 4 : 2;
      area += weight * workload.below(age + i * width, dayPart);
    }
    delaySeconds += (area * width) / 3 - ended * (next - age);
    ended = workload.below(next, dayPart);
    age = next;
  }
  return { polls, delaySeconds };
}
