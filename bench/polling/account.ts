import { createPollPrice, type Estimate, nextPollMs } from '@onetake/gateway';
import { stream } from '../../chaos/shared/random.ts';
import { type Cost, leastDelay } from './optimum.ts';
import { KIND, learn, MIN_INTERVAL } from './schedules.ts';
import type { Workload } from './workloads.ts';

/** An account that jobs of one kind share. */
export interface AccountOptions {
  readonly workload: Workload;
  readonly requestsPerSecond: number;
  /** Jobs that one request polls. */
  readonly batch: number;
  /** The part of the requests that is spent, as in `tracking: balanced`. */
  readonly share: number;
  /** In flight at all times: for each that ends, another is submitted. */
  readonly inFlight: number;
  readonly seconds: number;
  /** Measured from then on. */
  readonly warmUpSeconds: number;
  /** Submitted together at this time, beside the others, and not replaced. */
  readonly burst?: { readonly atSeconds: number; readonly jobs: number };
  readonly seed: string;
}

export interface AccountRun {
  readonly ended: number;
  readonly meanDelay: number;
  readonly p95Delay: number;
  readonly pollsPerTask: number;
  /** Part of the requests of the account that was used. */
  readonly used: number;
  /** The most requests in a second, by those allowed. */
  readonly mostUsed: number;
  /** Standard deviation of the logarithm of the price. */
  readonly priceSpread: number;
  /** Each second. */
  readonly prices: readonly number[];
  readonly requests: readonly number[];
}

interface BenchJob {
  readonly submitted: number;
  readonly ends: number;
  readonly replaced: boolean;
  lastPoll: number;
  polls: number;
  weight: number;
  /** The step in which it is polled next. */
  due: number;
}

/** How finely the time passes. Seconds. */
const STEP = 0.1;
/** Jobs are planned anew once the price has fallen to this part, as the gateway does it: they would be polled too late. */
const FALLEN = 0.8;

/** One node with the price controller in a closed loop, and a limiter of its part of the allowance, a second's worth at once. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: closures over one shared state: the time and the jobs of the account
export function runAccount(options: AccountOptions): AccountRun {
  const { workload, requestsPerSecond, batch, share, inFlight, seconds, warmUpSeconds, burst, seed } =
    options;
  const random = stream(seed);
  const medianSeconds = workload.prior.medianSeconds;
  const estimator = learn(workload, { price: medianSeconds * 0.01, jobs: 1000, random });
  const estimate: Estimate = estimator.estimate(KIND, workload.prior);
  const price = createPollPrice({
    allowancePerSecond: () => requestsPerSecond * batch,
    share,
    minIntervalMs: MIN_INTERVAL * 1000,
  });
  const due = new Map<number, BenchJob[]>();
  const jobs = new Set<BenchJob>();
  const delays: number[] = [];
  const prices: number[] = [];
  const requests: number[] = [];
  let [step, permits, polled, sent, polls, plannedAt] = [0, 0, 0, 0, 0, Number.POSITIVE_INFINITY];
  const perSecond = requestsPerSecond * share;
  const now = () => step * STEP;

  function wanted(job: BenchJob) {
    const [ageMs, lastPollAgeMs] = [now() - job.submitted, job.lastPoll - job.submitted].map(
      (age) => age * 1000,
    );
    return nextPollMs({
      estimate,
      job: { ageMs: ageMs ?? 0, lastPollAgeMs: lastPollAgeMs ?? 0, state: 'running' },
      price: price.current(),
      minIntervalMs: MIN_INTERVAL * 1000,
      maxGapMs: 3_600_000,
      reliability: 0,
    });
  }

  function plan(job: BenchJob): void {
    const { ms, weight } = wanted(job);
    price.replace(job.weight, weight);
    job.weight = weight;
    put(job, step + Math.max(1, Math.round(ms / 1000 / STEP)));
  }

  function put(job: BenchJob, at: number): void {
    job.due = at;
    const others = due.get(at);
    if (others) others.push(job);
    else due.set(at, [job]);
  }

  function submit(submitted: number, replaced: boolean): void {
    const ends = submitted + workload.draw(random, 0).seconds;
    // Of jobs that were submitted before the beginning, those that have ended are left out.
    if (ends < now()) {
      submit(submitted + (now() - submitted) * random(), replaced);
      return;
    }
    const job = {
      submitted,
      ends,
      replaced,
      lastPoll: Math.max(submitted, now() - 1),
      polls: 0,
      weight: 0,
      due: 0,
    };
    job.weight = wanted(job).weight;
    price.add(job.weight);
    jobs.add(job);
    plan(job);
  }

  function poll(job: BenchJob): void {
    job.polls++;
    job.lastPoll = now();
    if (job.ends > now()) {
      plan(job);
      return;
    }
    jobs.delete(job);
    price.remove(job.weight);
    if (now() >= warmUpSeconds) {
      delays.push(now() - job.ends);
      polls += job.polls;
    }
    if (job.replaced) submit(now(), true);
  }

  const urgencyOf = (job: BenchJob) => job.weight * (now() - job.lastPoll);

  /** Jobs whose time has come, the most urgent first. */
  function takeDue(): BenchJob[] {
    // A job that was planned again for the same time is there twice.
    const ready = [...new Set(due.get(step))].filter((job) => job.due === step && jobs.has(job));
    due.delete(step);
    return ready.sort((a, b) => urgencyOf(b) - urgencyOf(a));
  }

  /** Fills the last request with the jobs that are due soonest. */
  function fill(count: number): BenchJob[] {
    const chosen: BenchJob[] = [];
    for (let at = step + 1; chosen.length < count && at < step + 10 / STEP; at++)
      for (const job of due.get(at) ?? [])
        if (chosen.length < count && job.due === at && now() - job.lastPoll >= MIN_INTERVAL) {
          job.due = 0;
          chosen.push(job);
        }
    return chosen;
  }

  function pass(): void {
    permits = Math.min(Math.max(1, perSecond), permits + perSecond * STEP);
    const ready = takeDue();
    const room = Math.floor(permits + 1e-9) * batch;
    for (const job of ready.splice(room)) put(job, step + 1);
    const used = Math.ceil(ready.length / batch);
    const all = [...ready, ...(used > 0 ? fill(used * batch - ready.length) : [])];
    permits -= used;
    sent += used;
    polled += all.length;
    for (const job of all) poll(job);
  }

  function everySecond(): void {
    price.tick(1000, polled);
    if (now() >= warmUpSeconds) {
      prices.push(price.current());
      requests.push(sent);
    }
    [polled, sent] = [0, 0];
    plannedAt = Math.max(plannedAt === Number.POSITIVE_INFINITY ? 0 : plannedAt, price.current());
    if (price.current() > FALLEN * plannedAt) return;
    plannedAt = price.current();
    for (const job of jobs) plan(job);
  }

  // In flight in the steady state: as many of each age as live so long.
  for (let job = 0; job < inFlight; job++) submit(-random() * medianSeconds * 2, true);
  price.tick(0, 0);
  for (const job of jobs) plan(job);
  for (step = 1; step * STEP < seconds; step++) {
    if (burst && Math.round(burst.atSeconds / STEP) === step)
      for (let job = 0; job < burst.jobs; job++) submit(now(), false);
    pass();
    if (step % Math.round(1 / STEP) === 0) everySecond();
  }
  delays.sort((a, b) => a - b);
  const logs = prices.map(Math.log);
  const middle = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  return {
    ended: delays.length,
    meanDelay: delays.reduce((sum, delay) => sum + delay, 0) / delays.length,
    p95Delay: delays[Math.floor(0.95 * delays.length)] ?? Number.NaN,
    pollsPerTask: polls / delays.length,
    used: requests.reduce((sum, count) => sum + count, 0) / requests.length / requestsPerSecond,
    mostUsed: requests.reduce((most, count) => Math.max(most, count), 0) / requestsPerSecond,
    priceSpread: Math.sqrt(logs.reduce((sum, log) => sum + (log - middle) ** 2, 0) / logs.length),
    prices,
    requests,
  };
}

/**
 * The least delay of an account whose jobs are polled so often together: that of the optimum with as many polls as are left for a job.
 * A job that is seen late is in flight for longer, and so has more of them.
 */
export function leastDelayWithin(
  optima: readonly Cost[],
  meanSeconds: number,
  pollsPerSecondAndJob: number,
): number {
  let low = 0;
  let high = 1e6;
  while (high - low > 1e-3) {
    const delay = (low + high) / 2;
    const least =
      leastDelay(optima, pollsPerSecondAndJob * (meanSeconds + delay)) ?? Number.POSITIVE_INFINITY;
    if (least > delay) low = delay;
    else high = delay;
  }
  return high;
}
