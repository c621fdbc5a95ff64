import { z } from 'zod';
import { SPELLINGS } from '../catalogue/fields.ts';
import { adviceOn } from '../catalogue/unknownFields.ts';
import { nearest } from '../catalogue/validate/nearest.ts';
import { list, shown } from '../catalogue/words.ts';

/** Clients give up a call after a minute unless they are told otherwise. Seconds. */
export const LONGEST_WAIT_SECONDS = 50;

const wait = z.number().int().min(0).max(LONGEST_WAIT_SECONDS);

/** A text that must be given. `advice` says where it comes from. */
const required = (name: string, advice: string) =>
  z.string({
    error: ({ input }) => (input === undefined ? `${name} is missing; give ${advice}.` : undefined),
  });

const taskId = required('task_id', 'one that generate_video or list_videos answers')
  .regex(/^video_[0-9a-f]{32}$/, 'must be a task_id as generate_video and list_videos answer it')
  .describe('As generate_video has answered');

/** The arguments of a tool, and no other ones. */
const only = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys' ? unknownArguments(issue.keys, Object.keys(shape)) : undefined,
  });

export const ModelsInput = only({
  model: z.string().optional().describe('The id of one model, to see all of its limits'),
  include_unavailable: z.boolean().default(false).describe('Also those without an account here'),
});

const generate = {
  model: required('model', 'an id from list_models').describe('An id from list_models'),
  prompt: required('prompt', 'what the video shows').describe('What the video shows'),
  duration: z.number().optional().describe('Seconds'),
  resolution: z.string().optional().describe('For example 720p'),
  aspect_ratio: z.string().optional().describe('For example 16:9'),
  negative_prompt: z.string().optional(),
  seed: z.number().int().optional(),
  generate_audio: z.boolean().optional(),
  image: z
    .string()
    .optional()
    .describe('First frame: a public URL, a data URL, base64, or the id of a file of POST /v1/files'),
  last_frame: z.string().optional().describe('Last frame, in the same forms'),
  reference_images: z.array(z.string()).optional().describe('In the same forms'),
  video_url: z
    .string()
    .optional()
    .describe('A video to change or to extend: the task_id of one that was made here, or a URL'),
  metadata: z.record(z.string(), z.string()).optional().describe('Labels to find the task by'),
  max_cost: z
    .union([z.number(), z.string()])
    .optional()
    .describe('The most that the video may cost, in the currency of the model'),
  provider_options: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('What only the provider of the model has'),
  wait_seconds: wait
    .optional()
    .describe(
      `How long to wait for the video, in seconds; 0 answers at once. By default ${LONGEST_WAIT_SECONDS}; 0 for a client with tasks`,
    ),
  idempotency_key: z
    .string()
    .optional()
    .describe('Repeating a call with the same key finds the same task, and is never paid for twice'),
};

/** Every spelling of the HTTP API is taken. Which of its fields a model takes, the gateway says. */
const FIELDS = new Set([...Object.keys(generate), ...Object.values(SPELLINGS).flat()]);

export const GenerateInput = z.looseObject(generate).superRefine((given, context) => {
  const unknown = Object.keys(given).filter((name) => !FIELDS.has(name));
  if (unknown.length > 0)
    context.addIssue({
      code: 'custom',
      message: unknownArguments(unknown, Object.keys(generate), (name) =>
        // HTTP has another name for it, and takes it in the query.
        /^wait(?:_for)?$/.test(name) ? didYouMean('wait_seconds') : adviceOn(name, [...FIELDS]),
      ),
    });
});

export const GetInput = only({
  task_id: taskId,
  wait_seconds: wait.default(0).describe('How long to wait for the video, in seconds; 0 answers at once'),
});

export const CancelInput = only({ task_id: taskId });

export const ListInput = only({
  status: z.enum(['queued', 'in_progress', 'succeeded', 'failed']).optional(),
  model: z.string().optional(),
  limit: z.number().int().min(1).max(100).default(20),
  after: z.string().optional().describe('next_cursor of the page before'),
});

/** Says which arguments do not exist, and which do: who misspells one must not believe that it was heard. */
function unknownArguments(
  names: readonly string[],
  accepted: readonly string[],
  advise = (name: string): string | undefined => didYouMean(nearest(name, accepted, 1)[0]),
): string {
  const sentences = names.slice(0, 10).map((name) => {
    const advice = advise(name);
    return `There is no argument ${shown(name)}${advice === undefined ? '.' : `: ${advice}`}`;
  });
  return [...sentences, `Accepted: ${list(accepted, 'and')}.`].join(' ');
}

const didYouMean = (name: string | undefined): string | undefined =>
  name === undefined ? undefined : `did you mean ${name}?`;
