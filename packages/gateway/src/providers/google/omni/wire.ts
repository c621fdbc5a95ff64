import { z } from 'zod';
import { excerpt, type Scrub, wordsForCaller } from '../../http/secrets.ts';
import { errorSaid } from '../../mapping/errorSaid.ts';
import { failureWords } from '../../mapping/errorTable.ts';
import type { Meaning, StatusTable } from '../../mapping/statusTable.ts';
import { type Answer, UpstreamError } from '../../provider.ts';
import { NOTHING_MADE } from '../answers.ts';
import { codeName, FAILURES } from '../errors.ts';

const text = z.string().optional().catch(undefined);
const Content = z.object({ type: text, text, uri: text }).catch({});
const Step = z.object({
  type: text,
  content: z.array(Content).optional().catch(undefined),
  /** google.rpc.Status. */
  error: z.unknown().optional(),
});

/**
 * An interaction (`Interaction` of `@google/genai` 3.3.0), as far as it is read. The guide: "`output_video` is added by the SDK. If you use the
 * REST API, take the video from `steps`."
 */
export const Interaction = z.object({
  id: z.string().min(1),
  status: z.string().min(1),
  updated: text,
  steps: z.array(Step.catch({})).optional().catch(undefined),
  errors: z.array(z.unknown()).optional().catch(undefined),
  error: z.unknown().optional(),
  usage: z
    .object({
      output_tokens_by_modality: z
        .array(z.object({ modality: z.string(), tokens: z.number() }))
        .optional()
        .catch(undefined),
    })
    .optional()
    .catch(undefined),
});
export type Interaction = z.output<typeof Interaction>;

/** `InteractionStatus`. Of the last four nothing follows: no tools are sent, and nothing continues an interaction. */
export const STATUSES: StatusTable = {
  queued: 'queued',
  in_progress: 'in_progress',
  completed: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
  incomplete: 'failed',
  budget_exceeded: 'failed',
  requires_action: 'failed',
  requires_continuation: 'failed',
};

/** Reads an interaction. Throws if the body is none. */
export function readInteraction(body: unknown, scrub: Scrub): Interaction {
  const parsed = Interaction.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new UpstreamError('upstream_unavailable', {
    detail: `an answer that is not an interaction: ${excerpt(JSON.stringify(body) ?? 'nothing', scrub)}`,
  });
}

/** What an interaction says of its job. `meaning` is what its status means; `expiresAt`: until when its video is kept. */
export function answerOf(
  interaction: Interaction,
  meaning: Meaning,
  { expiresAt, scrub }: { readonly expiresAt: number; readonly scrub: Scrub },
): Answer {
  switch (meaning) {
    case 'succeeded':
      return completed(interaction, expiresAt, scrub);
    case 'failed':
      return { state: 'failed', ...failureOf(interaction, scrub) };
    case 'cancelled':
      return { state: 'failed', reason: 'cancelled', message: 'The task was cancelled.' };
    case 'queued':
      return { state: 'queued' };
    default:
      return { state: 'in_progress' };
  }
}

function completed(interaction: Interaction, expiresAt: number, scrub: Scrub): Answer {
  const output = (interaction.steps ?? [])
    .filter(({ type }) => type === 'model_output')
    .flatMap(({ content = [] }) => content);
  const ref = output.find(({ type, uri }) => type === 'video' && uri !== undefined)?.uri;
  if (ref !== undefined) return { state: 'succeeded', result: { ref, expiresAt }, ...endOf(interaction) };
  const tokens = interaction.usage?.output_tokens_by_modality ?? [];
  const isCharged = tokens.some((one) => one.modality.toLowerCase() === 'video' && one.tokens > 0);
  if (isCharged || output.some(({ type }) => type === 'video')) {
    throw new UpstreamError('upstream_unavailable', {
      detail: 'completed with a video, but without its link',
    });
  }
  // A model that declines, because its rules forbid the video, says so in an interaction that is completed.
  const words = scrub(output.flatMap((one) => one.text ?? []).join(' '));
  if (words === '') return NOTHING_MADE;
  return {
    state: 'failed',
    reason: 'content_rejected',
    message: wordsForCaller(words) || 'The model declined to make this video.',
    detail: `completed without a video: ${words}`,
  };
}

/** `updated` is the time of the end once an interaction is completed, in whole seconds. */
function endOf({ updated = '' }: Interaction): { endedAt?: number } {
  const endedAt = Date.parse(updated);
  return Number.isNaN(endedAt) ? {} : { endedAt };
}

function failureOf({ status, errors = [], error, steps = [] }: Interaction, scrub: Scrub) {
  const reported = errors[0] ?? error ?? steps.find((step) => step.error)?.error;
  const { code, message } = errorSaid(reported, scrub);
  return failureWords(FAILURES, {
    code: code === undefined ? status : codeName(code),
    ...(message === undefined ? {} : { message }),
  });
}
