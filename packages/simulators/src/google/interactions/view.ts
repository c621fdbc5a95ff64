import type { Fields } from '../body.ts';
import { samplesOf, type VeoJob } from '../veoJob.ts';
import { DECLINED } from './errors.ts';
import { TOKENS_PER_SECOND } from './models.ts';
import type { OmniRequest } from './parseRequest.ts';

/** A job that is an interaction. */
export type OmniJob = VeoJob & { readonly details: { readonly interaction: OmniRequest } };

export const isOmniJob = (job: VeoJob | undefined): job is OmniJob => job?.details.interaction !== undefined;

type TimeShown = (ms: number) => number;

/** ISO 8601 in whole seconds. */
const isoTime = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** The members of every answer. While it runs, both times are those of the creation; afterwards both are those of the end. */
function common(job: OmniJob, timeShown: TimeShown): Fields {
  const at = isoTime(timeShown(job.state === 'cancelled' ? job.createdAt : (job.endedAt ?? job.createdAt)));
  return {
    id: job.id,
    status: statusOf(job),
    created: at,
    updated: at,
    object: 'interaction',
    model: job.model,
  };
}

/** The user's turn, which answers repeat, including the bytes of images. */
const inputOf = ({ details: { interaction } }: OmniJob): Fields => ({
  type: 'user_input',
  content: interaction.content,
});

/** The answer to the creation. That it repeats the input is not documented, but `Interaction` of the SDK has `steps` in every answer. */
export const createdView = (job: OmniJob, timeShown: TimeShown): Fields => ({
  ...common(job, timeShown),
  service_tier: 'standard',
  steps: [inputOf(job)],
});

/**
 * An interaction as it is polled. `file`: the link of the video; `video`: its bytes, if they are delivered inside the answer. Shapes are those of
 * recorded answers of the service.
 */
export function interactionView(
  job: OmniJob,
  timeShown: TimeShown,
  result: { readonly file?: string; readonly video?: Buffer },
): Fields {
  const input = inputOf(job);
  const head = { ...common(job, timeShown), response_format: job.details.interaction.format };
  if (statusOf(job) === 'failed') return { ...head, steps: [input], errors: [errorOf(job)] };
  if (statusOf(job) !== 'completed') return { ...head, steps: [input] };
  const output = isDeclined(job) ? { type: 'text', text: DECLINED } : videoOf(result);
  return {
    ...head,
    service_tier: 'standard',
    usage: usageOf(job),
    steps: [
      input,
      { type: 'thought', signature: job.random.hex(64) },
      { type: 'model_output', content: [output] },
    ],
  };
}

/** Without a video, because the filters or the model itself forbade it: this is a completed interaction as well. */
const isDeclined = (job: VeoJob): boolean => job.failure === 'moderation' || samplesOf(job) === 0;

function statusOf(job: VeoJob): string {
  switch (job.state) {
    case 'queued':
    case 'running':
      return 'in_progress';
    case 'succeeded':
      return 'completed';
    case 'cancelled':
      return 'cancelled';
    // "budget_exceeded", "incomplete" and others are in the SDK's list, but when they occur is not documented.
    case 'expired':
      return 'incomplete';
    case 'failed':
      return job.failure === 'moderation' ? 'completed' : 'failed';
  }
}

/** `errors` of `Interaction` in `@google/genai` 3.3.0. Which codes there are is not documented. */
const errorOf = ({ failure }: VeoJob): Fields =>
  failure === 'invalid'
    ? { code: 'invalid_request', message: 'The request cannot be carried out as it is.' }
    : { code: 'internal', message: 'Internal error encountered.' };

function videoOf({ file, video }: { readonly file?: string; readonly video?: Buffer }): Fields {
  const place = video ? { data: video.toString('base64') } : { uri: file };
  return { ...place, mime_type: 'video/mp4', type: 'video' };
}

function usageOf(job: OmniJob): Fields {
  const { resolution, seconds } = job.details.interaction;
  const video = isDeclined(job) ? 0 : Math.round(seconds * TOKENS_PER_SECOND[resolution]);
  return {
    total_output_tokens: video + 15,
    ...(video === 0 ? {} : { output_tokens_by_modality: [{ modality: 'video', tokens: video }] }),
    total_thought_tokens: 76,
  };
}
