import { z } from 'zod';
import type { UpstreamResult } from '../../tasks/task.ts';
import type { Scrub } from '../http/secrets.ts';
import { errorSaid } from '../mapping/errorSaid.ts';
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
  /** SGLang Diffusion: where a video is that went to cloud storage. */
  url: text,
  error: z.unknown().optional(),
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

interface Reading {
  readonly scrub: Scrub;
  /** Whether a finished job may have a link instead of content. */
  readonly linksResults: boolean;
}

/** What a job says of itself. `meaning` is what its status means. */
export function answerOf(video: VideoResource, meaning: Meaning, { scrub, linksResults }: Reading): Answer {
  switch (meaning) {
    case 'succeeded':
      return { state: 'succeeded', result: resultOf(video, linksResults), ...timesOf(video) };
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
  return failureWords(ERRORS, errorSaid(error, scrub));
}

/** The reference of a result whose bytes are at the content call of the job itself. */
const CONTENT = 'content';

function resultOf(
  { url, expires_at: expires, seconds }: VideoResource,
  linksResults: boolean,
): UpstreamResult {
  const duration = Number(seconds ?? Number.NaN);
  return {
    ref: linksResults && url && isLink(url) ? url : CONTENT,
    ...(expires == null ? {} : { expiresAt: expires * 1000 }),
    ...(duration > 0 ? { duration } : {}),
  };
}

/** openapi.yaml, VideoResource `completed_at`: seconds UTC. There is no time at which work began. */
const timesOf = ({ completed_at: end }: VideoResource): Pick<UpstreamTimes, 'endedAt'> =>
  end == null ? {} : { endedAt: end * 1000 };

const percent = (progress: number): number => Math.min(100, Math.max(0, progress));

/** Whether the reference of a result is the link of its bytes. */
export const isLink = (ref: string): boolean => /^https?:\/\//i.test(ref) && URL.canParse(ref);
