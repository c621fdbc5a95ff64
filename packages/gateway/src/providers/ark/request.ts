import type { VideoRequest } from '../../tasks/request.ts';
import { bodyOf, type Json, type ParameterRow, withOptions } from '../mapping/body.ts';
import { readDataUrl } from '../mapping/inputs.ts';
import type { Job } from '../provider.ts';
import { correlationMarkerOf } from './correlationMarker.ts';

/** Source of the fields: "Create a video generation task" of Volcengine Ark and BytePlus ModelArk. */
const PARAMETERS: readonly ParameterRow[] = [
  { from: 'resolution', to: 'resolution' },
  { from: 'aspectRatio', to: 'ratio' },
  { from: 'duration', to: 'duration' },
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
];

/** The body of `POST /contents/generations/tasks`. */
export async function createBody(job: Job, callbackUrl: string | undefined): Promise<Json> {
  const { request, upstreamModel } = job;
  const family = familyOf(upstreamModel, request);
  const rows = PARAMETERS.filter(({ from }) => !family?.without.includes(from));
  const parameters = bodyOf(rows, request);
  const body = {
    ...parameters,
    ...(family?.framesDecideRatio && request.image ? { ratio: 'adaptive' } : {}),
    execution_expires_after: correlationMarkerOf(job.idempotencyKey),
  };
  return {
    ...withOptions(body, request.providerOptions, RESERVED),
    model: upstreamModel,
    content: await contentOf(job),
    ...(callbackUrl === undefined ? {} : { callback_url: callbackUrl }),
  };
}

function familyOf(upstreamModel: string, { model }: VideoRequest): Family | undefined {
  for (const name of [upstreamModel, model]) {
    const family = FAMILIES.find((candidate) => candidate.name.test(name.replaceAll('.', '-')));
    if (family) return family;
  }
  return undefined;
}

async function contentOf(job: Job): Promise<Json[]> {
  const { prompt, image, lastFrame, referenceImages = [] } = job.request;
  const images = [
    ...(image ? [{ input: image, role: 'first_frame' }] : []),
    ...(lastFrame ? [{ input: lastFrame, role: 'last_frame' }] : []),
    ...referenceImages.map((input) => ({ input, role: 'reference_image' })),
  ];
  return [
    { type: 'text', text: withoutFlags(prompt) },
    ...(await Promise.all(
      images.map(async ({ input, role }) => ({
        type: 'image_url',
        image_url: { url: await readDataUrl(job, input) },
        role,
      })),
    )),
  ];
}

/**
 * A prompt in which Ark finds no parameters. Ark reads `--rs 4k` and the like after the text as parameters, which would change
 * the price. To a model a dash means the same.
 */
export const withoutFlags = (prompt: string): string => prompt.replace(/-{2,}/g, '—');
