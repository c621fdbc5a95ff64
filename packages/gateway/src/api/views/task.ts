import type { LiveProgress } from '../../engine/events/progress.ts';
import type { Waiting } from '../../engine/stages/waiting.ts';
import type { MediaLinks } from '../../media/links/links.ts';
import type { AnsweredTask } from '../../tasks/events.ts';
import { MICROS } from '../../tasks/money.ts';
import { doneAt, statusOf } from '../../tasks/task.ts';

/** The dependencies of the public view of a task. */
export interface ViewParts {
  readonly links: MediaLinks;
  /** Whether answers of this model have a `url`. Those of the Sora 2 family do not; clients use the download endpoint instead. */
  readonly givesUrl: (modelId: string) => boolean;
}

/** The links of a finished task. */
export interface TaskUrls {
  readonly video?: string;
  readonly poster?: string;
}

/** Signs the links of a task. Asynchronous, because presigning a link to a bucket may need new credentials. */
export async function urlsOf(
  { request, result }: Pick<AnsweredTask, 'request' | 'result'>,
  { links, givesUrl }: ViewParts,
): Promise<TaskUrls> {
  if (!result) return {};
  const { videoId, posterId, expiresAt } = result;
  return {
    ...(givesUrl(request.model) ? { video: await links.url(videoId, 'mp4', expiresAt) } : {}),
    ...(posterId === undefined ? {} : { poster: await links.url(posterId, 'jpg', expiresAt) }),
  };
}

/** A task on the wire: the fields of the reference service under their own names, and ours beside them. Pure. */
export function taskView(
  task: AnsweredTask,
  { live, waiting }: { live?: LiveProgress | undefined; waiting?: Waiting | undefined },
  now: number,
  urls: TaskUrls,
) {
  const { request, result, error } = task;
  const status = statusOf(task);
  const completedAt = doneAt(task);
  const notes = notesOf(task);
  const finished = status === 'succeeded' || status === 'failed';
  return {
    task_id: task.id,
    status,
    format: 'mp4',
    ...(urls.video === undefined ? {} : { url: urls.video }),
    ...(error ? { error: { code: error.code, message: error.message, reason: error.reason } } : {}),
    model: request.model,
    created_at: seconds(task.createdAt),
    ...(task.startedAt === undefined ? {} : { started_at: seconds(task.startedAt) }),
    ...(completedAt === undefined ? {} : { completed_at: seconds(completedAt) }),
    ...(result ? { expires_at: seconds(result.expiresAt) } : {}),
    ...(status === 'failed' ? {} : { progress: status === 'succeeded' ? 100 : (live?.percent ?? 0) }),
    ...(finished || live?.expectedAt === undefined ? {} : { eta: etaSeconds(live.expectedAt, now) }),
    ...(waiting ? waitingView(waiting) : {}),
    ...(task.cancelRequestedAt !== undefined && !finished ? { cancel_requested: true } : {}),
    ...(result || !request.autoDuration ? { duration: result?.duration ?? request.duration } : {}),
    resolution: request.resolution,
    aspect_ratio: request.aspectRatio,
    size: result ? `${result.width}x${result.height}` : `${request.width}x${request.height}`,
    ...(result
      ? {
          bytes: result.bytes,
          video_codec: result.videoCodec,
          ...(result.audioCodec ? { audio_codec: result.audioCodec } : {}),
          ...(result.contentCredentials
            ? { content_credentials: result.contentCredentials === 'present' ? 'present' : 'absent' }
            : {}),
          ...(urls.poster === undefined ? {} : { thumbnail_url: urls.poster }),
          usage: {
            seconds: result.duration,
            cost: result.costMicros / MICROS,
            currency: task.price.currency,
          },
        }
      : {}),
    ...(request.metadata ? { metadata: request.metadata } : {}),
    ...(notes.length > 0 ? { notes } : {}),
  };
}

/** What the caller was told at the submit, and what became of the video. */
const notesOf = ({ request, result }: AnsweredTask): string[] => [
  ...(request.notes ?? []),
  ...(result?.contentCredentials === 'broken'
    ? [
        'The provider delivered a video with content credentials (C2PA) in another container than MP4. The MP4 made of it has none, because they are valid for the original bytes only.',
      ]
    : []),
];

const waitingView = ({ for: waitingFor, reason, retryAt }: Waiting) => ({
  waiting_for: waitingFor,
  waiting_reason: reason,
  ...(retryAt === undefined ? {} : { retry_at: seconds(retryAt) }),
});

/** Whole seconds until the task is expected to be done; at least one, because it is not done yet. */
export function etaSeconds(expectedAt: number, now: number): number {
  return Math.max(1, Math.ceil((expectedAt - now) / 1000));
}

const seconds = (ms: number): number => Math.floor(ms / 1000);
