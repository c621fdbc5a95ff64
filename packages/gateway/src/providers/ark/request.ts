import { kindText } from '../../catalogue/references.ts';
import type { Reference, StoredInput, VideoRequest } from '../../tasks/request.ts';
import {
  bodyOf,
  type Json,
  type OptionRules,
  type ParameterRow,
  refusedOptions,
  withOptions,
} from '../mapping/body.ts';
import { linkTo, notSent, readDataUrl } from '../mapping/inputs.ts';
import type { Job } from '../provider.ts';
import { correlationMarkerOf } from './correlationMarker.ts';

/** Source of the fields: "Create a video generation task" of Volcengine Ark and BytePlus ModelArk. */
const PARAMETERS: readonly ParameterRow[] = [
  { from: 'resolution', to: 'resolution' },
  { from: 'aspectRatio', to: 'ratio' },
  // "-1: the model decides."
  { from: 'duration', to: 'duration', as: (duration, { autoDuration }) => (autoDuration ? -1 : duration) },
  { from: 'seed', to: 'seed' },
  { from: 'cameraFixed', to: 'camera_fixed' },
  { from: 'watermark', to: 'watermark' },
  { from: 'generateAudio', to: 'generate_audio' },
];

interface Family {
  /** Matches the upstream's name of the model, or else the catalogue's. */
  readonly name: RegExp;
  /** Parameters that the family refuses, even with their default value. */
  readonly without: readonly ParameterRow['from'][];
  /** Whether a video from frames takes its ratio from them. Any other ratio fails the task when it runs. */
  readonly framesDecideRatio: boolean;
}

/** "Supported models" of each field. Ark validates fields strictly. The first match counts. */
const FAMILIES: readonly Family[] = [
  { name: /seedance-2-5/, without: ['cameraFixed'], framesDecideRatio: true },
  { name: /seedance-2/, without: ['cameraFixed'], framesDecideRatio: false },
  { name: /seedance-1-0/, without: ['generateAudio'], framesDecideRatio: false },
];

/**
 * Members that `provider_options` cannot set: the model, the callback, the text, whose flags are parameters too, and what
 * determines the price and the format of the file.
 */
const RESERVED = [
  'model',
  'content',
  'callback_url',
  'resolution',
  'duration',
  'generate_audio',
  'frames',
  'draft',
  'output_format',
  'omni_reference_task_type',
];

/** The body of `POST /contents/generations/tasks`. */
export async function createBody(job: Job, callbackUrl: string | undefined): Promise<Json> {
  const { request, upstreamModel } = job;
  return {
    // The one value that options may replace: it is the gateway's own choice, and a search then knows that it is no marker.
    execution_expires_after: correlationMarkerOf(job.idempotencyKey),
    ...withOptions(rulesOf(request, upstreamModel), request.providerOptions),
    model: upstreamModel,
    content: await contentOf(job),
    ...(callbackUrl === undefined ? {} : { callback_url: callbackUrl }),
  };
}

/** The parameters of a request, and what its options may not set. */
function rulesOf(request: VideoRequest, upstreamModel: string): OptionRules {
  const family = familyOf(upstreamModel, request);
  const rows = PARAMETERS.filter(({ from }) => !family?.without.includes(from));
  const taskType = taskTypeOf(request);
  const adaptive = taskType !== undefined || (family?.framesDecideRatio && request.image);
  return {
    own: {
      ...bodyOf(rows, request),
      ...(adaptive ? { ratio: 'adaptive' } : {}),
      ...(taskType === undefined ? {} : { omni_reference_task_type: taskType }),
    },
    reserved: RESERVED,
  };
}

/**
 * "Seedance 2.5", `omni_reference_task_type`: editing takes ratio and duration from the source (`adaptive`, -1), extending the ratio. A task
 * whose prompt asks for something else fails when it runs.
 */
const TASK_TYPES: Readonly<Record<string, 'edit' | 'extend'>> = { source: 'edit', first_clip: 'extend' };

function taskTypeOf({ references = [] }: VideoRequest): 'edit' | 'extend' | undefined {
  return references.map(({ role }) => TASK_TYPES[role ?? '']).find((type) => type !== undefined);
}

/** See `Provider.refusedOptions`. */
export const refusedOf = (request: VideoRequest, upstreamModel: string): string[] =>
  refusedOptions(rulesOf(request, upstreamModel), request.providerOptions);

function familyOf(upstreamModel: string, { model }: VideoRequest): Family | undefined {
  for (const name of [upstreamModel, model]) {
    const family = FAMILIES.find((candidate) => candidate.name.test(name.replaceAll('.', '-')));
    if (family) return family;
  }
  return undefined;
}

/** Roles are told by the type of the task, which is one. */
function refuseStrayRoles({ references = [] }: VideoRequest): void {
  const withRole = references.filter(({ role }) => role !== undefined);
  const [first] = withRole;
  const second = withRole.find(({ role }) => role !== first?.role);
  const stray = withRole.find(({ type, role }) => type !== 'video' || !Object.hasOwn(TASK_TYPES, role ?? ''));
  if (stray) throw notSent(`The upstream provider takes no ${kindText(stray)} as a reference`);
  if (first && second)
    throw notSent(`The upstream provider takes no ${kindText(second)} beside one with role ${first.role}`);
}

async function contentOf(job: Job): Promise<Json[]> {
  refuseStrayRoles(job.request);
  const { prompt, image, lastFrame, references = [] } = job.request;
  const inputs = [
    ...(image ? [{ type: 'image', input: image, role: 'first_frame' } as const] : []),
    ...(lastFrame ? [{ type: 'image', input: lastFrame, role: 'last_frame' } as const] : []),
    ...references.map(({ type, input }) => ({ type, input, role: `reference_${type}` })),
  ];
  // "A video: URL or asset", while images and sounds may be bytes.
  const bytes = inputs.reduce((sum, { type, input }) => (type === 'video' ? sum : sum + input.bytes), 0);
  const urlOf = (type: Reference['type'], input: StoredInput): string | Promise<string> => {
    const hasLink = input.sourceUrl !== undefined || job.linkTo !== undefined;
    const byLink = type === 'video' || (bytes > INLINE_BYTES && hasLink);
    return byLink ? linkTo(job, input) : readDataUrl(job, input);
  };
  return [
    { type: 'text', text: withoutFlags(prompt) },
    ...(await Promise.all(
      inputs.map(async ({ type, input, role }) => ({
        type: `${type}_url`,
        [`${type}_url`]: { url: await urlOf(type, input) },
        role,
      })),
    )),
  ];
}

/** "The request body must not exceed 64 MB. Do not use base64 for large files." Bytes before they are base64. */
const INLINE_BYTES = 45_000_000;

/**
 * A prompt in which Ark finds no parameters. Ark reads `--rs 4k` and the like after the text as parameters, which would change
 * the price. To a model a dash means the same.
 */
export const withoutFlags = (prompt: string): string => prompt.replace(/-{2,}/g, '—');
