import type { Random } from '../random.ts';
import type { Plan } from './markers.ts';

/** The picture and sound that a job asks for. */
export interface VideoSpec {
  readonly width: number;
  readonly height: number;
  readonly seconds: number;
  readonly audio: boolean;
}

/**
 * How long jobs of a model take from their submission to their end, in the upstream's own milliseconds: the median and the 90th percentile
 * of a log-normal distribution.
 */
export interface Pace {
  readonly medianMs: number;
  readonly p90Ms: number;
  /** The mean part of that time that a job waits in the queue, 0-0.5. */
  readonly queueShare: number;
}

/**
 * A pace in seconds. Providers document no more than "several minutes", so the figures are those of the gateway's catalogue, and a test of
 * the gateway compares the two. Of the queue nothing is documented, so a short one is assumed.
 */
export const pace = (medianSeconds: number, p90Seconds: number, queueShare = 0.05): Pace => ({
  medianMs: medianSeconds * 1000,
  p90Ms: p90Seconds * 1000,
  queueShare,
});

export type JobState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'expired';

/** Why a job failed. Each upstream reports it in its own words. */
export type Failure = 'moderation' | 'internal' | 'invalid';

/** One task at an upstream. Times are milliseconds UTC. `Details` is what only this upstream knows about it. */
export interface Job<Details = unknown> {
  readonly id: string;
  /** The id of the upstream's own making, which its results are filed under. Differs from `id` if a fault gave another one. */
  readonly ownId: string;
  readonly upstream: string;
  readonly account: string;
  readonly model: string;
  readonly prompt: string;
  readonly plan: Plan;
  /** The requested video. `delivered` is the video of the result. */
  readonly video: VideoSpec;
  readonly delivered: VideoSpec;
  /** The job's own random stream, for the values that the upstream makes up. */
  readonly random: Random;
  /** Determines the colours of the picture. Reported if the upstream reports a seed. */
  readonly seed: number;
  readonly details: Details;
  readonly createdAt: number;
  readonly state: JobState;
  readonly failure: Failure | undefined;
  readonly startedAt: number | undefined;
  /** While the job runs, the time at which it will end. Infinite for a held job. */
  readonly endsAt: number | undefined;
  readonly endedAt: number | undefined;
}

/** What an upstream passes when it accepts a job. */
export interface JobRequest<Details> {
  readonly account: string;
  readonly model: string;
  readonly prompt: string;
  readonly video: VideoSpec;
  readonly details: Details;
  /** The job ends as soon as it is submitted. By default it takes the time that its model takes. */
  readonly atOnce?: boolean;
  /** Draws an id. Called again while the id is taken. */
  newId(random: Random): string;
  readonly seed?: number | undefined;
  /** Jobs of one pool share `places`. Further jobs wait as `queued`, in order. Without a pool no job waits for another. */
  readonly pool?: { readonly name: string; readonly places: number };
  /** A running job ends as `expired` after this much of the upstream's time, counted from its creation. */
  readonly expiresAfterMs?: number;
}

export const isOver = (job: Job): boolean => job.state !== 'queued' && job.state !== 'running';

/** The progress of a job, 0-100, by the time that has passed. A held job stays at 50. */
export function progressOf(job: Job, now: number): number {
  if (job.state === 'queued') return 0;
  if (job.state !== 'running') return 100;
  if (job.startedAt === undefined || job.endsAt === undefined || !Number.isFinite(job.endsAt)) return 50;
  const part = (now - job.startedAt) / Math.max(1, job.endsAt - job.startedAt);
  return Math.min(99, Math.max(0, Math.floor(part * 100)));
}
