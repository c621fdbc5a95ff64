import type { InputRef, VideoRequest } from '../../tasks/request.ts';
import { bodyOf, type Json, withOptions } from '../mapping/body.ts';
import { readDataUrl } from '../mapping/inputs.ts';
import { type Job, UpstreamError } from '../provider.ts';
import { fieldsOf } from './errors.ts';
import { type Generation, generationOf, type ImageField, type ImageRow } from './generations.ts';

type Body = { [name: string]: Json | undefined };
type Asked = Pick<Job, 'upstreamModel' | 'request' | 'openInput'>;

const IMAGE_FIELDS: readonly ImageField[] = ['image', 'lastFrame', 'referenceImages'];

/** The path and the body of a submission. Throws `UpstreamError` for inputs that the model cannot take. */
export async function submissionOf(job: Asked): Promise<{ path: string; body: Body }> {
  const generation = generationOf(job.upstreamModel);
  refuseStrayImages(generation, job);
  const body = bodyOf(generation.parameters, job.request);
  const input = { ...(body.input as Body), ...(await imagesOf(generation, job)) };
  const whole = { model: job.upstreamModel, ...body, input };
  return { path: generation.path, body: withOptions(whole, optionsOf(job.request), ['model']) };
}

/**
 * Members that `provider_options` cannot set, besides the model: what was checked and priced already, and the prompt, by which a
 * lost submission is found.
 */
const SETTLED: Readonly<Record<string, ReadonlySet<string>>> = {
  parameters: new Set(['duration', 'size', 'resolution', 'audio']),
  input: new Set(['prompt']),
};

/** A caller's `provider_options`, without the members in `SETTLED`. */
function optionsOf({ providerOptions }: VideoRequest): VideoRequest['providerOptions'] {
  if (!providerOptions) return undefined;
  return Object.fromEntries(
    Object.entries(providerOptions).map(([name, value]) => {
      const settled = SETTLED[name];
      if (!settled) return [name, value];
      // A value that is not an object would replace the whole member, so it is dropped.
      const free = Object.entries(fieldsOf(value)).filter(([member]) => !settled.has(member));
      return [name, Object.fromEntries(free)];
    }),
  );
}

/** The prompt as it is sent. The upstream reports it as `orig_prompt` when the task is over. */
export function promptSent(upstreamModel: string, request: VideoRequest): string {
  const { input } = bodyOf(generationOf(upstreamModel).parameters, request);
  const { prompt } = fieldsOf(input);
  return typeof prompt === 'string' ? prompt : request.prompt;
}

/** Refuses images that the model does not take. Without them the caller would pay for a different video. */
function refuseStrayImages({ images }: Generation, { upstreamModel, request }: Asked): void {
  const stray = IMAGE_FIELDS.find((field) => request[field] && !images.some(({ from }) => from === field));
  if (stray) throw unsuitable(`${upstreamModel} takes no ${WORDS[stray]}.`);
}

const WORDS: Readonly<Record<ImageField, string>> = {
  image: 'image',
  lastFrame: 'last_frame',
  referenceImages: 'reference_images',
};

async function imagesOf({ images }: Generation, job: Asked): Promise<Body> {
  const input: Body = {};
  const media: Json[] = [];
  for (const row of images) {
    const given = job.request[row.from];
    if (!given) continue;
    const urls: string[] = [];
    for (const image of Array.isArray(given) ? given : [given]) urls.push(await urlOf(row, image, job));
    if ('media' in row.to) {
      for (const url of urls) media.push({ type: row.to.media, url });
    } else if ('list' in row.to) input[row.to.list] = urls;
    else input[row.to.field] = urls[0];
  }
  return media.length > 0 ? { ...input, media } : input;
}

async function urlOf(row: ImageRow, image: InputRef, job: Asked): Promise<string> {
  if (row.as === 'bytes' && image.bytes <= row.maxBytes) return readDataUrl(job, image);
  if (image.sourceUrl !== undefined) return image.sourceUrl;
  const { upstreamModel } = job;
  throw unsuitable(
    row.as === 'address'
      ? `${upstreamModel} takes ${WORDS[row.from]} only by public https URLs.`
      : `${upstreamModel} takes images of at most ${row.maxBytes / 1_000_000} MB in ${WORDS[row.from]}; give a larger one by its public https URL.`,
  );
}

/** Nothing was sent. */
const unsuitable = (message: string): UpstreamError =>
  new UpstreamError('invalid_request', { message, created: 'no', detail: message });
