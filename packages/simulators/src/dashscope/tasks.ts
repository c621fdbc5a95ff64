import { randomUUID } from 'node:crypto';
import type { Job } from '../core/jobs/job.ts';
import type { UpstreamContext } from '../core/upstream.ts';
import { beijingTime } from './beijingTime.ts';
import { MODELS, type UsageStyle } from './models.ts';
import type { WanSettings } from './settings.ts';
import type { WanRequest } from './validate.ts';

/** What only DashScope knows about a task. */
export interface WanTask {
  readonly asked: WanRequest | undefined;
  /** The problem of the request. Such a task is accepted and fails as soon as a worker takes it. */
  readonly invalid: string | undefined;
  /** The name of the key that made it. */
  readonly key: string;
  /** The request id of the submission. */
  readonly requestId: string;
}

export type WanJob = Job<WanTask>;
export type WanContext = UpstreamContext<WanSettings, WanTask>;

export type TaskStatus = 'PENDING' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELED' | 'UNKNOWN';

/** "task_id: valid for 24 hours", and so is the link to the video. */
const LIFETIME_MS = 24 * 3_600_000;

const STATUSES: Readonly<Record<Job['state'], TaskStatus>> = {
  queued: 'PENDING',
  running: 'RUNNING',
  succeeded: 'SUCCEEDED',
  failed: 'FAILED',
  cancelled: 'CANCELED',
  expired: 'FAILED',
};

/** "Error messages", by the kind of failure. */
const FAILURES = {
  moderation: ['DataInspectionFailed', 'Output data may contain inappropriate content.'],
  internal: [
    'InternalError',
    'An internal error has occured, please try again later or contact service support.',
  ],
  invalid: ['InvalidParameter', 'The size is not match the requirement'],
} as const;

export function statusOf(job: WanJob): TaskStatus {
  if (job.state === 'succeeded' && failureOf(job)) return 'FAILED';
  return STATUSES[job.state];
}

export const isForgotten = (job: WanJob, context: WanContext): boolean => {
  const { clock } = context.shared;
  return clock.now() > job.createdAt + clock.kept(LIFETIME_MS);
};

/** The code and message of a failed task. */
export function failureOf(job: WanJob): readonly [code: string, message: string] | undefined {
  if (job.details.invalid !== undefined) return ['InvalidParameter', job.details.invalid];
  return job.failure && FAILURES[job.failure];
}

/** The answer to a query of a task. The status is 200 for failed and unknown tasks too. */
export function taskBody(job: WanJob, context: WanContext): unknown {
  const status = statusOf(job);
  const time = (ms: number | undefined) =>
    ms === undefined ? undefined : beijingTime(context.timeShown(ms));
  const [code, message] = (status === 'FAILED' && failureOf(job)) || [];
  const succeeded = status === 'SUCCEEDED';
  return {
    request_id: randomUUID(),
    output: {
      task_id: job.id,
      task_status: status,
      submit_time: time(job.createdAt),
      scheduled_time: time(job.startedAt),
      end_time: time(job.endedAt),
      ...(succeeded ? resultOf(job, context) : {}),
      ...(code ? { code, message } : {}),
    },
    ...(succeeded ? { usage: usageOf(job) } : {}),
  };
}

/** Also the answer for a task of another account, so that the caller learns nothing. */
export const unknownBody = (id: string): unknown => ({
  request_id: randomUUID(),
  output: { task_id: id, task_status: 'UNKNOWN' satisfies TaskStatus },
});

function resultOf(job: WanJob, context: WanContext) {
  const { asked } = job.details;
  const { shared, storage } = context;
  const link = storage.link(
    {
      job,
      path: `/1d/${job.ownId.slice(0, 2)}/${job.ownId}.mp4`,
      contentType: 'video/mp4',
      bytes: () => context.resultOf(job),
    },
    (job.endedAt ?? job.createdAt) + shared.clock.kept(LIFETIME_MS),
  );
  const rewritten = MODELS[job.model]?.tellsActualPrompt && asked?.promptExtend;
  return {
    video_url: link,
    orig_prompt: context.promptShown(job.prompt),
    ...(rewritten ? { actual_prompt: `${job.prompt} Fine detail, natural light, steady camera.` } : {}),
  };
}

/** The usage blocks of the API references: 2.1-2.5, the first-and-last-frame models of 2.2, 2.6, 2.7 with all later ones, Kling, and Vidu. */
const USAGE: Readonly<Record<UsageStyle, (seconds: number, asked: WanRequest) => object>> = {
  video_ratio: (seconds, { width, height }) => ({
    video_duration: seconds,
    video_ratio: `${width}*${height}`,
    video_count: 1,
  }),
  video_sr: (seconds, { tier }) => ({
    video_duration: seconds,
    video_count: 1,
    SR: Number.parseInt(tier, 10),
  }),
  size: (seconds, { width, height, tier, inputSeconds }) => ({
    duration: inputSeconds + seconds,
    size: `${width}*${height}`,
    input_video_duration: inputSeconds,
    output_video_duration: seconds,
    video_count: 1,
    SR: Number.parseInt(tier, 10),
  }),
  tier: (seconds, { tier, ratio, inputSeconds }) => ({
    duration: inputSeconds + seconds,
    input_video_duration: inputSeconds,
    output_video_duration: seconds,
    video_count: 1,
    SR: Number.parseInt(tier, 10),
    ratio,
    fps: 30,
  }),
  // "Kling video generation API reference".
  kling: (seconds, { width, height, tier, audio }) => ({
    duration: seconds,
    size: `${width}*${height}`,
    fps: 24,
    video_count: 1,
    audio,
    SR: tier.slice(0, -1),
  }),
  // "Vidu text-to-video API reference" and the others. Reference videos are not billed.
  vidu: (seconds, { width, height, tier, audio }) => ({
    duration: seconds,
    size: `${width}*${height}`,
    output_video_duration: seconds,
    fps: 24,
    video_count: 1,
    audio,
    SR: tier.slice(0, -1),
  }),
};

function usageOf(job: WanJob): unknown {
  const style = MODELS[job.model]?.usage;
  return style && job.details.asked && USAGE[style](job.delivered.seconds, job.details.asked);
}
