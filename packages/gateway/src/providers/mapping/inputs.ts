import { buffer } from 'node:stream/consumers';
import type { InputRef } from '../../tasks/request.ts';
import { InputGone, type Job, UpstreamError } from '../provider.ts';

/**
 * The bytes of an input image. A storage that is away says nothing against the upstream or the request: nothing was sent, and
 * the engine tries again. Only an image that is gone ends the task.
 */
export async function readInput(job: Pick<Job, 'openInput'>, input: InputRef): Promise<Buffer> {
  try {
    return await buffer(await job.openInput(input));
  } catch (cause) {
    throw new UpstreamError('internal_error', {
      message: 'An input image could not be read from storage; submit the task again.',
      created: 'no',
      ...(cause instanceof InputGone ? {} : { ours: 'inputs' }),
      detail: String(cause),
      cause,
    });
  }
}

/** An input image as a data URL (RFC 2397). */
export async function readDataUrl(job: Pick<Job, 'openInput'>, input: InputRef): Promise<string> {
  return `data:${input.contentType};base64,${(await readInput(job, input)).toString('base64')}`;
}
