import { valueAt } from '../mapping/jsonPath.ts';
import type { Answer } from '../provider.ts';
import { doneWithoutVideo } from './errors.ts';
import type { PackageRow } from './packageRow.ts';
import type { StatusResult } from './videoModel.ts';

/** The reference of a video that comes inside the package's answer. The job is polled again when the video is opened. */
export const INLINE = 'inline';

type Completed = Extract<StatusResult, { status: 'completed' }>;

/** The answer about a job that its package has finished. */
export function finished(result: Completed): Answer {
  const [video] = result.videos;
  if (video?.type === 'url' && /^https?:/.test(video.url)) {
    return { state: 'succeeded', result: { ref: video.url } };
  }
  if (inlineBytes(result)) return { state: 'succeeded', result: { ref: INLINE } };
  return doneWithoutVideo(video ? `the video came as ${video.type}, not as bytes or a link` : 'no video');
}

/** The video inside a package's answer; undefined if it is elsewhere. */
export function inlineBytes({ videos: [video] }: Completed): Buffer | undefined {
  if (video?.type === 'base64') return Buffer.from(video.data, 'base64');
  return video?.type === 'binary' ? Buffer.from(video.data) : undefined;
}

/** What a service's answer about an unfinished job reports beyond what the AI SDK passes on. */
export function underWay({ reports }: PackageRow, body: unknown): Answer {
  const word = reports?.state === undefined ? undefined : valueAt(body, reports.state);
  const progress = reports?.progress === undefined ? undefined : valueAt(body, reports.progress);
  const position = reports?.queuePosition === undefined ? undefined : valueAt(body, reports.queuePosition);
  const startedAt = timeAt(body, reports?.startedAt);
  const waits = typeof word === 'string' && (reports?.queued ?? []).includes(word);
  return {
    state: waits ? 'queued' : 'in_progress',
    ...(typeof progress === 'number' && progress >= 0 && progress <= 100 ? { progress } : {}),
    ...(typeof position === 'number' && position >= 0 ? { queuePosition: position } : {}),
    ...(startedAt === undefined ? {} : { startedAt }),
  };
}

/** Adds the times that a service's answer reports of a job that is over. */
export function withTimes(answer: Answer, { reports }: PackageRow, body: unknown): Answer {
  if (answer.state !== 'succeeded' && answer.state !== 'failed') return answer;
  const startedAt = timeAt(body, reports?.startedAt);
  const endedAt = timeAt(body, reports?.endedAt);
  return {
    ...answer,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
  };
}

/** Milliseconds UTC of a time in seconds UTC or by ISO 8601; undefined if there is none. */
function timeAt(body: unknown, path: string | undefined): number | undefined {
  const value = path === undefined ? undefined : valueAt(body, path);
  const ms = typeof value === 'number' ? value * 1000 : Date.parse(String(value));
  return Number.isFinite(ms) ? ms : undefined;
}
