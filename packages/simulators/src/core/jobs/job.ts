import type { Random } from '../random.ts';
import type { Plan } from './markers.ts';

/** The picture and sound that a job asks for. */
export interface VideoSpec {
  readonly width: number;
  readonly height: number;
  readonly seconds: number;
  readonly audio: boolean;
}

/** How long jobs of a model take, in the upstream's own milliseconds: medians, and the sigma of a log-normal spread. */
export interface Pace {
  readonly queueMs: number;
  readonly runMs: number;
  readonly sigma: number;
}

export type JobState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'expired';

/** Why it failed; each upstream has its own words for these. */
export type Failure = 'moderation' | 'internal' | 'invalid';

/** One task at an upstream. Times are milliseconds UTC. `Details` is what only this upstream knows of it. */
export interface Job<Details = unknown> {
  readonly id: string;
  readonly upstream: string;
  readonly account: string;
  readonly model: string;
  readonly prompt: string;
  readonly plan: Plan;
  /** What was asked for; `delivered` is what the result has. */
  readonly video: VideoSpec;
  readonly delivered: VideoSpec;
  /** Its own stream, for whatever the upstream makes up about it. */
  readonly random: Random;
  /** Colours the picture, and is reported where the upstream reports a seed. */
  readonly seed: number;
  readonly details: Details;
  readonly createdAt: number;
  readonly state: JobState;
  readonly failure: Failure | undefined;
  readonly startedAt: number | undefined;
  /** While it runs, the time at which it will end; infinite for one that is held. */
  readonly endsAt: number | undefined;
  readonly endedAt: number | undefined;
}

/** What an upstream knows when it accepts a job. */
export interface JobRequest<Details> {
  readonly account: string;
  readonly model: string;
  readonly prompt: string;
  readonly video: VideoSpec;
  readonly details: Details;
  readonly pace: Pace;
  /** Draws an id; asked again while the id is taken. */
  newId(random: Random): string;
  readonly seed?: number | undefined;
  /** Jobs of one pool share `places`; those beyond wait as `queued`, in order. Without it nothing waits for another. */
  readonly pool?: { readonly name: string; readonly places: number };
  /** A running job ends as `expired` after this much of the upstream's time, counted from its creation. */
  readonly expiresAfterMs?: number;
}

export const isOver = (job: Job): boolean => job.state !== 'queued' && job.state !== 'running';

/** How far a job is, 0-100, as its time goes; a held one stays at 50. */
export function progressOf(job: Job, now: number): number {
  if (job.state === 'queued') return 0;
  if (job.state !== 'running') return 100;
  if (job.startedAt === undefined || job.endsAt === undefined || !Number.isFinite(job.endsAt)) return 50;
  const part = (now - job.startedAt) / Math.max(1, job.endsAt - job.startedAt);
  return Math.min(99, Math.max(0, Math.floor(part * 100)));
}
