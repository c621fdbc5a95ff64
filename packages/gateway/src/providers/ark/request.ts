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
  /** In the upstream's name for the model, or else in ours. */
  readonly name: RegExp;
  /** Parameters that the family refuses, even with the value that it would have anyway. */
  readonly without: readonly ParameterRow['from'][];
  /** Whether a video from frames takes its shape from them: any other ratio fails the task once it is run. */
  readonly framesDecideRatio: boolean;
}

/** "Supported models" of each field; fields are strictly validated. The first that matches counts. */
const FAMILIES: readonly Family[] = [
  { name: /seedance-2-5/, without: ['cameraFixed'], framesDecideRatio: true },
  { name: /seedance-2/, without: ['cameraFixed'], framesDecideRatio: false },
  { name: /seedance-1-0/, without: ['generateAudio'], framesDecideRatio: false },
];

/**
 * What `provider_options` do not reach, beside the model and the callback: the text, whose flags are parameters too, and
 * what the price and the file's format hang on.
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
 * A prompt in which nothing is read as a parameter: Ark takes `--rs 4k` and its like behind the text for parameters, which
 * would change what is paid for. A dash reads the same to a model.
 */
export const withoutFlags = (prompt: string): string => prompt.replace(/-{2,}/g, '—');
