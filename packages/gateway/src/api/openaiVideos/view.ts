import type { z } from 'zod';
import type { Reason, TaskError } from '../../tasks/reasons.ts';
import type { VideoRequest } from '../../tasks/request.ts';
import { doneAt, type Status, statusOf, type Task } from '../../tasks/task.ts';
import type { Video } from './schemas.ts';

/** Clients stop waiting at any word but these four. */
const STATUS = {
  queued: 'queued',
  in_progress: 'in_progress',
  succeeded: 'completed',
  failed: 'failed',
} as const satisfies Record<Status, string>;

/** Reasons by the codes that were seen of OpenAI's videos. The others are codes as they are. */
const CODES: Partial<Record<Reason, string>> = {
  content_rejected: 'moderation_blocked',
  upstream_failed: 'video_generation_failed',
};

/** A task as OpenAI's API shows a video. `sent` is its request as the upstream gets it. Pure. */
export function videoView(
  task: Task,
  { percent = 0, sent }: { readonly percent?: number | undefined; readonly sent: VideoRequest },
): z.output<typeof Video> {
  const { request, result, error } = task;
  const status = STATUS[statusOf(task)];
  const completedAt = result && doneAt(task);
  return {
    id: task.id,
    object: 'video',
    model: request.model,
    status,
    progress: { queued: 0, in_progress: percent, completed: 100, failed: 0 }[status],
    created_at: seconds(task.createdAt),
    completed_at: completedAt === undefined ? null : seconds(completedAt),
    expires_at: result ? seconds(result.expiresAt) : null,
    seconds: String(Math.round(result?.duration ?? sent.duration)),
    size: result ? `${result.width}x${result.height}` : `${sent.width}x${sent.height}`,
    prompt: request.prompt,
    remixed_from_video_id: request.remixOf ?? null,
    error: error ? errorView(error) : null,
  };
}

const errorView = ({ reason, message }: TaskError) => ({ code: CODES[reason] ?? reason, message });

const seconds = (ms: number): number => Math.floor(ms / 1000);
