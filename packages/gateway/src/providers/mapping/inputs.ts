import { buffer } from 'node:stream/consumers';
import { type InputRef, plainImages, type StoredInput, type VideoRequest } from '../../tasks/request.ts';
import { InputGone, type Job, UpstreamError } from '../provider.ts';

/**
 * Reads an input. If the storage is unavailable, nothing was sent and the engine tries again: neither the upstream nor the
 * request is at fault. Only a deleted input ends the task.
 */
export async function readInput(job: Pick<Job, 'openInput'>, input: StoredInput): Promise<Buffer> {
  try {
    return await buffer(await job.openInput(input));
  } catch (cause) {
    throw new UpstreamError('internal_error', {
      message: 'An input could not be read from storage; submit the task again.',
      created: 'no',
      ...(cause instanceof InputGone ? {} : { ours: 'inputs' }),
      detail: String(cause),
      cause,
    });
  }
}

/**
 * A link under which the upstream can fetch an input; undefined if there is none. An image goes by the caller's own link if there is one. A
 * video or sound goes by that of the gateway, because its seconds are billed: behind the caller's there may be another by then.
 */
export function linkOf(job: Pick<Job, 'linkTo'>, input: StoredInput): string | undefined {
  const own = () => job.linkTo?.(input);
  return 'duration' in input ? (own() ?? input.sourceUrl) : (input.sourceUrl ?? own());
}

/** See `linkOf`. Throws if there is none; nothing was sent then. */
export function linkTo(job: Pick<Job, 'linkTo'>, input: StoredInput): string {
  const link = linkOf(job, input);
  if (link !== undefined) return link;
  const message =
    'The upstream provider fetches this input itself, and the gateway has no public link to it; give the input by a public url.';
  throw new UpstreamError('invalid_request', { message, created: 'no', detail: message });
}

/** An input as a data URL (RFC 2397). */
export async function readDataUrl(job: Pick<Job, 'openInput'>, input: StoredInput): Promise<string> {
  return `data:${input.contentType};base64,${(await readInput(job, input)).toString('base64')}`;
}

/** The reference images of a request for an upstream that takes nothing else. Throws for any other reference, which would be paid for and not sent. */
export function onlyImages(request: Pick<VideoRequest, 'references'>): readonly InputRef[] {
  const images = plainImages(request);
  if (images.length === (request.references?.length ?? 0)) return images;
  throw notSent('The upstream provider takes only images without a role as references');
}

/** The error of an input that an operator's entry of the catalogue allows, and that would be paid for and not sent. */
export function notSent(why: string): UpstreamError {
  const message = `${why}; the entry of the model in the catalogue says otherwise.`;
  return new UpstreamError('invalid_request', { message, created: 'no', detail: message });
}
