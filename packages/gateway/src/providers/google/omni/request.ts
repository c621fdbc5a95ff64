import { type InputRef, plainImages, type VideoRequest } from '../../../tasks/request.ts';
import {
  bodyOf,
  type Json,
  type OptionRules,
  type ParameterRow,
  refusedOptions,
  withOptions,
} from '../../mapping/body.ts';
import { onlyImages, readInput } from '../../mapping/inputs.ts';
import type { Job } from '../../provider.ts';

/** `VideoResponseFormat` of `@google/genai` 3.3.0. A duration without its unit is refused ("Invalid input at 'response_format'"). */
const PARAMETERS: readonly ParameterRow[] = [
  { from: 'aspectRatio', to: 'response_format.aspect_ratio' },
  { from: 'resolution', to: 'response_format.resolution' },
  { from: 'duration', to: 'response_format.duration', as: (seconds) => `${seconds}s` },
];

/**
 * The members that a caller may set (`CreateModelInteraction` of `@google/genai` 3.3.0). The price or the adapter may depend on any other: an
 * earlier interaction decides how long its continuation is; tools, thoughts and instructions are charged; and JSON of Google's services may
 * have every name in camelCase as well (ProtoJSON).
 */
const ALLOWED: readonly string[] = [
  'generation_config.seed',
  'generation_config.temperature',
  'generation_config.top_p',
  'labels',
  'safety_settings',
];

/** See `Provider.refusedOptions`. */
export const refusedOf = (request: VideoRequest): string[] =>
  refusedOptions(rulesOf(request), request.providerOptions);

/** The body of `POST /interactions`: one turn of a user, answered with one video in the background. */
export async function bodyFor(job: Job): Promise<Json> {
  const { request, upstreamModel: model } = job;
  const body = withOptions(rulesOf(request), request.providerOptions);
  return { ...body, model, background: true, input: await inputOf(job) };
}

function rulesOf(request: VideoRequest): OptionRules {
  const { response_format: format, ...own } = bodyOf(PARAMETERS, request);
  const task = taskOf(request);
  return {
    own: {
      ...own,
      // Inside the answer a video would be sent again with each poll after the end.
      response_format: { ...(format as Record<string, Json>), type: 'video', delivery: 'uri' },
      ...(task === undefined ? {} : { generation_config: { video_config: { task } } }),
    },
    allowed: ALLOWED,
  };
}

/** "If not specified, the model determines the mode": for a first frame together with references there is no name. */
function taskOf(request: VideoRequest): string | undefined {
  const hasReferences = plainImages(request).length > 0;
  if (request.image) return hasReferences ? undefined : 'image_to_video';
  return hasReferences ? 'reference_to_video' : 'text_to_video';
}

async function inputOf(job: Job): Promise<Json> {
  const { image, lastFrame } = job.request;
  const images = [image, lastFrame, ...onlyImages(job.request)].filter((input) => input !== undefined);
  const text = promptOf(job.request);
  if (images.length === 0) return text;
  const content: Json[] = [];
  for (const input of images) content.push(await imageOf(job, input));
  return [...content, { type: 'text', text }];
}

async function imageOf(job: Job, input: InputRef): Promise<Json> {
  return {
    type: 'image',
    data: (await readInput(job, input)).toString('base64'),
    mime_type: input.contentType,
  };
}

/** The tags by which a prompt refers to images. Without them a model may disregard an image. */
const TAG = /<(?:FIRST_FRAME|LAST_FRAME|IMAGE_REF_\d+)>/;

/**
 * The prompt after a declaration of what each image is for, in the words of Google's guide ("Declare sources and references"). A prompt that has
 * such tags is sent as it is.
 */
function promptOf(request: VideoRequest): string {
  const { prompt, image, lastFrame } = request;
  if (TAG.test(prompt)) return prompt;
  const sources = [...(image ? ['<FIRST_FRAME>'] : []), ...(lastFrame ? ['<LAST_FRAME>'] : [])];
  const references = plainImages(request).map((_, index) => `<IMAGE_REF_${index}>`);
  const declarations = [
    declared('Sources', sources, 1),
    declared('References', references, 1 + sources.length),
  ];
  return [...declarations, prompt].filter((part) => part !== '').join(' ');
}

/** `[# Sources <FIRST_FRAME>@Image1]`: the tags of the images from the `first` one of the input on. */
const declared = (title: string, tags: readonly string[], first: number): string =>
  tags.length === 0
    ? ''
    : `[# ${title} ${tags.map((tag, index) => `${tag}@Image${first + index}`).join(' ')}]`;
