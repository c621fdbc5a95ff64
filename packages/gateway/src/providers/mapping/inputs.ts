import { buffer } from 'node:stream/consumers';
import type { InputRef } from '../../tasks/request.ts';
import { InputGone, type Job, UpstreamError } from '../provider.ts';

/**
 * Reads an input image. If the storage is unavailable, nothing was sent and the engine tries again: neither the upstream nor the
 * request is at fault. Only a deleted image ends the task.
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
