import type { Readable } from 'node:stream';
import { UpstreamError } from '../provider.ts';

/** The most bytes of an answer that is not a video. */
export const MAX_ANSWER_BYTES = 4 * 2 ** 20;

/** Reads a whole answer. Throws `UpstreamError` if it has more bytes than any honest answer. */
export async function readBounded(body: Readable, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) {
      throw new UpstreamError('upstream_unavailable', { detail: `an answer of more than ${maxBytes} bytes` });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
