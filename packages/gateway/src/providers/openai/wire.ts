import { z } from 'zod';
import type { UpstreamResult } from '../../tasks/task.ts';
import type { Scrub } from '../http/secrets.ts';
import { failureWords } from '../mapping/errorTable.ts';
import type { Meaning, StatusTable } from '../mapping/statusTable.ts';
import type { Answer, UpstreamTimes } from '../provider.ts';
import { ERRORS } from './errors.ts';

const text = z.string().nullish().catch(undefined);
const number = z.number().nullish().catch(undefined);

/**
 * A video job (openapi.yaml, VideoResource). Only the id and the status are required. The guide's examples and other servers
 * leave out the rest freely, and an unexpected value there must not hide the status.
 */
export const VideoResource = z.object({
  id: z.string().min(1),
  status: z.string().min(1),
  model: text,
  prompt: text,
  progress: number,
  created_at: number,
  completed_at: number,
  expires_at: number,
  seconds: z.union([z.string(), z.number()]).nullish().catch(undefined),
  size: text,
  remixed_from_video_id: text,
  error: z
    .object({ code: z.union([z.string(), z.number()]).nullish().catch(undefined), message: text })
    .nullish()
    .catch(undefined),
});
export type VideoResource = z.output<typeof VideoResource>;

/** A page of jobs. Servers without pages leave out `has_more`. */
export const VideoList = z.object({
  data: z.array(VideoResource),
  has_more: z.boolean().nullish().catch(undefined),
});

/** openapi.yaml, VideoResource `status`; vLLM-Omni and SGLang Diffusion have the same four words. */
export const STATUSES: StatusTable = {
  queued: 'queued',
  in_progress: 'in_progress',
  completed: 'succeeded',
  failed: 'failed',
};

/** What a job says of itself. `meaning` is what its status means. */
export function answerOf(video: VideoResource, meaning: Meaning, scrub: Scrub): Answer {
  switch (meaning) {
    case 'succeeded':
      return { state: 'succeeded', result: resultOf(video), ...timesOf(video) };
    case 'failed':
      return { state: 'failed', ...failureOf(video, scrub), ...timesOf(video) };
    case 'queued':
    case 'in_progress':
      return { state: meaning, ...(video.progress == null ? {} : { progress: percent(video.progress) }) };
    default:
      // `STATUSES` has no other meaning.
      return { state: 'in_progress' };
  }
}

function failureOf({ error }: VideoResource, scrub: Scrub): ReturnType<typeof failureWords> {
  return failureWords(ERRORS, {
    ...(error?.code == null ? {} : { code: String(error.code) }),
    ...(error?.message == null ? {} : { message: scrub(error.message) }),
  });
}

function resultOf({ id, expires_at: expires, seconds }: VideoResource): UpstreamResult {
  const duration = Number(seconds ?? Number.NaN);
  return {
    ref: id,
    ...(expires == null ? {} : { expiresAt: expires * 1000 }),
    ...(duration > 0 ? { duration } : {}),
  };
}

/** openapi.yaml, VideoResource `completed_at`: seconds UTC. There is no time at which work began. */
const timesOf = ({ completed_at: end }: VideoResource): Pick<UpstreamTimes, 'endedAt'> =>
  end == null ? {} : { endedAt: end * 1000 };

const percent = (progress: number): number => Math.min(100, Math.max(0, progress));
