import { type Job, progressOf } from '../core/jobs/job.ts';
import { ASSUMPTIONS } from './assumptions.ts';

/** What OpenAI knows about a job, besides what every upstream knows. */
export interface VideoDetails {
  readonly size: string;
  readonly remixedFrom: string | null;
  /** Seconds of the whole video. A bill counts only the seconds that this job added. */
  readonly seconds: number;
  readonly billedSeconds: number;
  readonly usdPerSecond: number;
  readonly extensions: number;
  /** How long the result is kept, in milliseconds of the simulated time. */
  readonly keptMs: number;
}

export type VideoJob = Job<VideoDetails>;

const STATUS = {
  queued: 'queued',
  running: 'in_progress',
  succeeded: 'completed',
  failed: 'failed',
  cancelled: 'failed',
  expired: 'failed',
} as const;

/** Codes seen by others: `moderation_blocked`, `video_generation_failed`, `processing_error`. */
const FAILURES = {
  moderation: {
    code: 'moderation_blocked',
    message: 'Your request was blocked by our moderation system.',
  },
  internal: { code: 'video_generation_failed', message: 'Video generation failed. Please try again.' },
  invalid: { code: 'processing_error', message: 'The video could not be processed.' },
} as const;

export const expiresAt = (job: VideoJob): number => (job.endedAt ?? job.createdAt) + job.details.keptMs;

/**
 * OpenAI's public API description, schema VideoResource: thirteen keys, all required. The guide's examples leave out what is
 * null, which `sparse` does.
 */
export function videoResource(
  job: VideoJob,
  options: {
    readonly now: number;
    readonly timeShown: (ms: number) => number;
    readonly promptShown: (prompt: string) => string;
    readonly sparse: boolean;
  },
): Record<string, unknown> {
  const seconds = (ms: number): number => Math.floor(options.timeShown(ms) / 1000);
  const status = STATUS[job.state];
  const done = status === 'completed';
  const resource = {
    id: job.id,
    object: 'video',
    created_at: seconds(job.createdAt),
    status,
    model: job.model,
    progress: status === 'failed' ? ASSUMPTIONS.progressOfFailed : progressOf(job, options.now),
    prompt: options.promptShown(job.prompt),
    seconds: String(job.details.seconds),
    size: job.details.size,
    completed_at: done && job.endedAt !== undefined ? seconds(job.endedAt) : null,
    expires_at: done && Number.isFinite(job.details.keptMs) ? seconds(expiresAt(job)) : null,
    remixed_from_video_id: job.details.remixedFrom,
    error: status === 'failed' ? FAILURES[job.failure ?? 'internal'] : null,
  };
  if (!options.sparse) return resource;
  return Object.fromEntries(Object.entries(resource).filter(([, value]) => value !== null));
}
