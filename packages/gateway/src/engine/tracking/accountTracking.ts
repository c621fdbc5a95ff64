import type { AccountState } from '../../limits/account.ts';
import { pollRate } from '../../limits/limits.ts';
import type { Tracking } from '../../providers/account.ts';
import type { Rate } from '../../providers/rates/permits.ts';
import { LONG_AGO, type Moment, msBetween } from '../../time/clock.ts';
import type { Timers } from '../../time/timers.ts';
import { type CallbackReliability, createCallbackReliability } from '../../tracking/callbackReliability.ts';
import type { Estimate } from '../../tracking/estimate.ts';
import { frugalPrice } from '../../tracking/frugalPrice.ts';
import { createPollPrice } from '../../tracking/pollPrice.ts';
import type { TrackedJob } from './trackedJob.ts';

/** What polls of one account are worth, and how far its callbacks can be relied upon. */
export interface AccountTracking {
  /** How often jobs of the account are polled: the part of its allowance that is spent on that. */
  readonly rate: Rate;
  readonly reliability: Pick<CallbackReliability, 'current'>;
  /** The expected delay that is worth a poll, in milliseconds. `frugal` asks more of some jobs. */
  price(): number;
  /** Sets the price anew, if it has been long enough. Call it before `worth`. */
  tick(): void;
  /** The price of a poll of such a job, and the most time between two. Milliseconds. */
  worth(estimate: Estimate): { readonly price: number; readonly maxGapMs: number };
  /** Counts what a job wants. It does so until `leave` of the job is called. */
  weigh(job: TrackedJob, weight: number): void;
  /** A job was polled. */
  polled(): void;
  /** While further jobs were due, a request has answered about so many, and so many others have to be polled alone. */
  batched(answered: number, alone: number): void;
  /** A poll was refused because there were too many. */
  limited(): void;
  /** A poll has found the end of a job; `calledBack`: after a callback. */
  ended(upstreamId: string, calledBack: boolean): void;
  /** A callback about a job that this node does not drive, or whose end it knows. */
  toldAfterwards(upstreamId: string): void;
}

/** The part of an account's allowance that polls may use. */
const SHARES: Readonly<Record<Tracking, number>> = { latency: 0.9, balanced: 0.5, frugal: 0.5 };
/** Of a job that hardly can end, or about which the estimate is wrong, with slack. Milliseconds. */
const MAX_GAP_MS = 30_000;
/** Without: nobody waits longer for a video that has long been there. Milliseconds. */
const LONGEST_GAP_MS = 900_000;
/**
 * With callbacks, polls need only catch the ends that these miss: with slack, a poll is worth so many times more than without callbacks. At
 * callbacks that never failed, a job of Sora is then polled every 12 to 15 s while it may end.
 */
const RELIEF = 50;
/** How often the price is set anew while polls are short. Milliseconds. */
const TICK_MS = 1000;
/** Tasks are planned again once the price has fallen to this part of the highest that they were planned with. */
const FALLEN = 0.8;
/** An account that refuses polls allows half of what was thought, and a tenth more with each minute without a refusal. */
const LIMITED_PART = 0.5;
const LEAST_PART = 0.02;
const REGAINED = 1.1;
const REGAIN_MS = 60_000;
/** Of about so many jobs in the last batches it is remembered how many had to be polled alone. */
const BATCHED_MEMORY = 200;
/** And of so many requests, about how many jobs they have answered. */
const REQUESTS_MEMORY = 20;
/** At least this part of what a request can be about: otherwise so few jobs would be due that none ever shows that there are more to answer about. */
const LEAST_ANSWERED = 0.04;
/** How long a callback may come after a poll has found the end of its job. Milliseconds. */
const GRACE_MS = 15_000;

export function createAccountTracking(parts: {
  readonly state: AccountState;
  readonly timers: Timers;
  readonly planAgain: () => void;
}): AccountTracking {
  const { state, timers, planAgain } = parts;
  const { account, limiter } = state;
  const { limits, tracking = 'balanced', provider } = account;
  const full = pollRate(account);
  const hasCallbacks = (provider.verifyCallback ?? provider.onHint) !== undefined;
  const share = SHARES[tracking];
  const reliability = createCallbackReliability();
  /** Jobs whose end a poll has found, and whose callback may still come: each cancels its timer. */
  const awaited = new Map<string, () => void>();
  const frugalPrices = new WeakMap<Estimate, number>();
  let tracked = 0;
  let polls = 0;
  let tickedAt: Moment = timers.monotonic();
  let isTicking = false;
  let plannedAt = 0;
  /** The part of the documented or configured allowance that the account really has, as refusals show. */
  let part = 1;
  let partAt: Moment = LONG_AGO;

  /** Of the jobs in batches, the part that has to be polled alone. */
  let alonePart = 0;
  /** The jobs that a request answers about, if not every request can be about any of them. */
  let answeredAtOnce = limits.pollBatch;
  function jobsPerRequest(): number {
    if (!provider.pollMany) return 1;
    return 1 / (1 / (provider.chooseJobs ? answeredAtOnce : limits.pollBatch) + alonePart);
  }

  const price = createPollPrice({
    // Other nodes poll the rest of the jobs.
    allowancePerSecond: () =>
      (part * full.perSecond * jobsPerRequest() * tracked) / Math.max(1, tracked, limiter.placesUsed()),
    share,
    minIntervalMs: limits.minPollIntervalMs,
  });
  const floor = price.current();
  const currentPrice = () => Math.max(price.current(), floor * (1 + RELIEF * reliability.current()));

  /** Nothing runs while the account has polls to spare. */
  function tick(): void {
    const elapsed = msBetween(tickedAt, timers.monotonic());
    if (elapsed < TICK_MS) return;
    tickedAt = timers.monotonic();
    if (part < 1 && msBetween(partAt, tickedAt) >= REGAIN_MS) {
      part = Math.min(1, part * REGAINED);
      partAt = tickedAt;
    }
    price.tick(elapsed, polls);
    polls = 0;
    const current = price.current();
    if (current < FALLEN * plannedAt) {
      plannedAt = current;
      planAgain();
    } else plannedAt = Math.max(plannedAt, current);
    if (current > floor && !isTicking) {
      isTicking = true;
      timers.after(TICK_MS, () => {
        isTicking = false;
        tick();
      });
    }
  }

  function frugalPriceOf(estimate: Estimate): number {
    const known = frugalPrices.get(estimate) ?? frugalPrice(estimate, limits.minPollIntervalMs);
    frugalPrices.set(estimate, known);
    return known;
  }

  return {
    tick,
    rate: { perSecond: share * full.perSecond, burst: Math.max(1, Math.ceil(share * full.burst)) },
    reliability,
    price: currentPrice,
    worth(estimate) {
      const current = currentPrice();
      // The gap grows as the interval of a job does.
      const maxGapMs = Math.min(LONGEST_GAP_MS, MAX_GAP_MS * Math.sqrt(current / floor));
      return {
        price: tracking === 'frugal' ? Math.max(current, frugalPriceOf(estimate)) : current,
        maxGapMs,
      };
    },
    weigh(job, weight) {
      if (job.weight === undefined) {
        tracked += 1;
        price.add(weight);
        job.leave = () => {
          tracked -= 1;
          price.remove(job.weight ?? 0);
        };
      } else price.replace(job.weight, weight);
      job.weight = weight;
    },
    polled() {
      polls += 1;
    },
    batched(answered, alone) {
      const jobs = answered + alone;
      const atOnce = Math.min(limits.pollBatch, Math.max(LEAST_ANSWERED * limits.pollBatch, jobs));
      answeredAtOnce += (atOnce - answeredAtOnce) / REQUESTS_MEMORY;
      if (jobs > 0) alonePart += ((alone / jobs - alonePart) * jobs) / (jobs + BATCHED_MEMORY);
    },
    limited() {
      // The polls that were on their way are refused together.
      if (msBetween(partAt, timers.monotonic()) < TICK_MS) return;
      part = Math.max(LEAST_PART, part * LIMITED_PART);
      partAt = timers.monotonic();
    },
    ended(upstreamId, calledBack) {
      if (calledBack) reliability.received();
      else if (hasCallbacks) {
        awaited.set(
          upstreamId,
          timers.after(GRACE_MS, () => {
            awaited.delete(upstreamId);
            reliability.missed();
          }),
        );
      }
    },
    toldAfterwards(upstreamId) {
      const cancel = awaited.get(upstreamId);
      if (!cancel) return;
      cancel();
      awaited.delete(upstreamId);
      reliability.received();
    },
  };
}
