import { createVideos, type Videos } from '../video/videos.ts';
import { type Clock, createClock } from './clock.ts';
import { createFaults, type FaultsInForce } from './faults/faults.ts';
import { type Agenda, createAgenda } from './jobs/schedule.ts';
import { createLedger, type LedgerWriter } from './ledger.ts';
import { createLimiter, type Limiter } from './limiter.ts';
import { createWebhooks, type Webhooks } from './webhooks.ts';

export interface WorldOptions {
  /** Decides every job's times, ids and pictures, and which requests a fault with a probability meets. */
  readonly seed?: string;
  /** How long things take, as part of what they take upstream: 0.01 makes a minute 0.6 s. */
  readonly scale?: number;
  /** False switches every rate limit off. */
  readonly limits?: boolean;
}

/** What all upstreams share. */
export interface World {
  readonly seed: string;
  readonly clock: Clock;
  readonly agenda: Agenda;
  readonly ledger: LedgerWriter;
  readonly faults: FaultsInForce;
  readonly limiter: Limiter;
  readonly webhooks: Webhooks;
  readonly videos: Videos;
  close(): Promise<void>;
}

export function createWorld(options: WorldOptions = {}): World {
  const seed = options.seed ?? 'onetake';
  const clock = createClock(options.scale ?? 1);
  const agenda = createAgenda(clock);
  const webhooks = createWebhooks(clock, agenda);
  const videos = createVideos();
  return {
    seed,
    clock,
    agenda,
    ledger: createLedger(),
    faults: createFaults(seed),
    limiter: createLimiter(clock, options.limits ?? true),
    webhooks,
    videos,
    async close() {
      agenda.close();
      await Promise.all([webhooks.close(), videos.close()]);
    },
  };
}
