import { wireName } from '../../catalogue/fields.ts';
import { type KindOf, kindText } from '../../catalogue/references.ts';
import type { StoredInput, VideoRequest } from '../../tasks/request.ts';
import { bodyOf, type Json, type OptionRules, refusedOptions, withOptions } from '../mapping/body.ts';
import { linkTo, readDataUrl } from '../mapping/inputs.ts';
import { type Job, UpstreamError } from '../provider.ts';
import { fieldsOf } from './errors.ts';
import {
  type Generation,
  generationOf,
  type ImageField,
  type ImageRow,
  type ReferenceRow,
} from './generations.ts';

type Body = { [name: string]: Json | undefined };
type Asked = Pick<Job, 'upstreamModel' | 'request' | 'openInput' | 'linkTo'>;

const IMAGE_FIELDS: readonly ImageField[] = ['image', 'lastFrame'];

/** The path and the body of a submission. Throws `UpstreamError` for inputs that the model cannot take. */
export async function submissionOf(job: Asked): Promise<{ path: string; body: Body }> {
  const generation = generationOf(job.upstreamModel);
  refuseStrayInputs(generation, job);
  const body = withOptions(rulesOf(job.request, job.upstreamModel), job.request.providerOptions);
  const input = { ...(body.input as Body), ...(await mediaOf(generation, job)) };
  return { path: generation.path, body: { ...body, input } };
}

/**
 * Members that `provider_options` cannot set, because they were checked and priced already, and the prompt, by which a lost submission is
 * found.
 */
const RESERVED: readonly string[] = [
  'model',
  'input.prompt',
  ...['duration', 'size', 'resolution', 'mode', 'audio'].map((name) => `parameters.${name}`),
];

/** The parameters of a request, and what its options may not set. Inputs are reserved if the request has them, and read later. */
function rulesOf(request: VideoRequest, upstreamModel: string): OptionRules {
  const { parameters, images, references = [] } = generationOf(upstreamModel);
  const given = [
    ...images.filter(({ from }) => request[from]),
    ...(request.references ? references : []),
  ].map(({ to }) => `input.${memberOf(to)}`);
  return {
    own: { model: upstreamModel, ...bodyOf(parameters, request) },
    reserved: [...RESERVED, ...new Set(given)],
  };
}

const memberOf = (to: ImageRow['to'] | ReferenceRow['to']): string =>
  'media' in to ? 'media' : 'list' in to ? to.list : to.field;

/** See `Provider.refusedOptions`. */
export const refusedOf = (request: VideoRequest, upstreamModel: string): string[] =>
  refusedOptions(rulesOf(request, upstreamModel), request.providerOptions);

/** The prompt as it is sent. The upstream reports it as `orig_prompt` when the task is over. */
export function promptSent(upstreamModel: string, request: VideoRequest): string {
  const { input } = bodyOf(generationOf(upstreamModel).parameters, request);
  const { prompt } = fieldsOf(input);
  return typeof prompt === 'string' ? prompt : request.prompt;
}

/** Refuses inputs that the model does not take. Without them the caller would pay for a different video. */
function refuseStrayInputs({ images, references = [] }: Generation, { upstreamModel, request }: Asked): void {
  const stray = IMAGE_FIELDS.find((field) => request[field] && !images.some(({ from }) => from === field));
  if (stray) throw unsuitable(`${upstreamModel} takes no ${wireName(stray)}.`);
  const foreign = request.references?.find((one) => !rowOf(references, one));
  if (foreign) throw unsuitable(`${upstreamModel} takes no ${kindText(foreign)} as a reference.`);
  if (request.videoUrl !== undefined && !rowOf(references, SOURCE))
    throw unsuitable(`${upstreamModel} takes no video_url.`);
}

/** What earlier versions stored as `videoUrl`, by the caller's link alone. */
const SOURCE: KindOf = { type: 'video', role: 'source' };

const rowOf = (rows: readonly ReferenceRow[], { type, role }: KindOf): ReferenceRow | undefined =>
  rows.find((row) => row.type === type && row.role === role);

async function mediaOf({ images, references = [] }: Generation, job: Asked): Promise<Body> {
  const { request } = job;
  const input: Body = {};
  const source = rowOf(references, SOURCE);
  const media: Json[] =
    request.videoUrl !== undefined && source && 'media' in source.to
      ? [{ type: source.to.media, url: request.videoUrl }]
      : [];
  for (const one of request.references ?? []) {
    const row = rowOf(references, one);
    if (!row) continue;
    const url = await urlOf(row, one.input, job, kindText(one, 2));
    if ('media' in row.to) media.push({ type: row.to.media, url });
    else input[row.to.list] = [...((input[row.to.list] as Json[] | undefined) ?? []), url];
  }
  for (const row of images) {
    const image = request[row.from];
    if (!image) continue;
    const url = await urlOf(row, image, job, wireName(row.from));
    if ('media' in row.to) media.push({ type: row.to.media, url });
    else input[row.to.field] = url;
  }
  return media.length > 0 ? { ...input, media } : input;
}

/** `what` names the input in an error. */
async function urlOf(
  { as, maxBytes = Number.POSITIVE_INFINITY }: Pick<ReferenceRow, 'as' | 'maxBytes'>,
  input: StoredInput,
  job: Asked,
  what: string,
): Promise<string> {
  if (as === 'bytes' && input.bytes <= maxBytes) return readDataUrl(job, input);
  if (as === 'address' || input.sourceUrl !== undefined || job.linkTo) return linkTo(job, input);
  throw unsuitable(
    `${job.upstreamModel} takes images of at most ${maxBytes / 1_000_000} MB in ${what}; give a larger one by its public https URL.`,
  );
}

/** Nothing was sent. */
const unsuitable = (message: string): UpstreamError =>
  new UpstreamError('invalid_request', { message, created: 'no', detail: message });
