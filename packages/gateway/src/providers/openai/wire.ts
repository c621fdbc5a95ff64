import { z } from 'zod';
import type { StatusTable } from '../http/statusTable.ts';

const text = z.string().nullish().catch(undefined);
const number = z.number().nullish().catch(undefined);

/**
 * A video job (openapi.yaml, VideoResource). Only its id and status are needed: examples of the guide and servers that speak
 * the protocol leave out the rest as they like, and an odd value there must not hide how the job stands.
 */
export const VideoResource = z.object({
  id: z.string().min(1),
  status: z.string().min(1),
  model: text,
  prompt: text,
  progress: number,
  created_at: number,
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

/** A page of jobs; servers without pages leave out `has_more`. */
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
