import { lostCall } from '../http/lostCall.ts';
import { excerpt, type Scrub } from '../http/secrets.ts';
import { type Answer, UpstreamError } from '../provider.ts';

/** The JSON of a body that was read as a stream. */
export function parseAnswer(text: string, scrub: Scrub): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UpstreamError('upstream_unavailable', {
      detail: `a body that is not JSON: ${excerpt(text, scrub)}`,
    });
  }
}

/** The outcome of reading a body. A connection that broke meanwhile is an error of the call. */
export async function unbroken<T>(reading: Promise<T>, scrub: Scrub): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw error instanceof UpstreamError ? error : lostCall(error, scrub);
  }
}

/** What an error tells the operator, for an answer. */
export const detailOf = (error: unknown): { detail?: string } =>
  error instanceof UpstreamError && error.detail !== undefined ? { detail: error.detail } : {};

/** A job that is over without a video and does not say why. */
export const NOTHING_MADE: Answer = {
  state: 'failed',
  reason: 'upstream_failed',
  message: 'The upstream provider finished the task without a video.',
  detail: 'done without a video or a reason',
};
