import { createVideos, type Videos } from '../video/videos.ts';
import { type Clock, createClock } from './clock.ts';
import { createFaults, type FaultsInForce } from './faults/faults.ts';
import type { Tls } from './http/server.ts';
import type { Pace } from './jobs/job.ts';
import { createSchedule, type Schedule } from './jobs/schedule.ts';
import { createLedger, type LedgerWriter } from './ledger.ts';
import { createLimiter, type Limiter } from './limiter.ts';
import { createWebhooks, type Webhooks } from './webhooks.ts';

export interface SharedOptions {
  /** Determines every job's times, ids and pictures, and the requests that a fault with a probability affects. */
  readonly seed?: string;
  /** Factor on all durations: 0.01 turns a minute into 0.6 s. */
  readonly scale?: number;
  /** The same factor on the times for which upstreams keep results, links and lists. By default it is `scale`. */
  readonly keptScale?: number;
  /** False switches every rate limit off. */
  readonly limits?: boolean;
  /** How long jobs of every model take, in place of the times of the catalogue. */
  readonly pace?: Pace;
  /** Videos are encoded while their jobs run, and not when they are first fetched: their first download takes no longer than others. */
  readonly encodeAhead?: boolean;
  /** Upstreams and their storage speak HTTPS, as some SDKs require. Their origins and links begin with `https://`. */
  readonly tls?: Tls;
}

/** The state that all upstreams share. */
export interface SharedState {
  readonly seed: string;
  readonly clock: Clock;
  readonly pace: Pace | undefined;
  readonly encodeAhead: boolean;
  readonly tls: Tls | undefined;
  readonly schedule: Schedule;
  readonly ledger: LedgerWriter;
  readonly faults: FaultsInForce;
  readonly limiter: Limiter;
  readonly webhooks: Webhooks;
  readonly videos: Videos;
  close(): Promise<void>;
}

export function createSharedState(options: SharedOptions = {}): SharedState {
  const seed = options.seed ?? 'onetake';
  const clock = createClock(options.scale ?? 1, options.keptScale);
  const schedule = createSchedule(clock);
  const webhooks = createWebhooks(clock, schedule);
  const videos = createVideos();
  return {
    seed,
    clock,
    pace: options.pace,
    encodeAhead: options.encodeAhead ?? false,
    tls: options.tls,
    schedule: schedule,
    ledger: createLedger(),
    faults: createFaults(seed),
    limiter: createLimiter(clock, options.limits ?? true),
    webhooks,
    videos,
    async close() {
      schedule.close();
      await Promise.all([webhooks.close(), videos.close()]);
    },
  };
}
