import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import type { LogOutput } from '../../observability/logOutput.ts';

const NEWLINE = '\n';
/** How long to wait before more is read from a worker, if nothing can be written. Milliseconds. */
const PATIENCE_MS = 5000;

/**
 * Writes the log lines of a worker. The workers do not share standard output: what two of them write at once could be torn. If it takes no
 * more, nothing is read either, so that the worker itself counts and reports the lines that it drops. Resolves at the end of the stream.
 */
export async function forwardLines(
  from: Readable,
  output: Pick<LogOutput, 'write' | 'flush'>,
): Promise<void> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  try {
    for await (const chunk of from) {
      const lines = (rest + decoder.write(chunk)).split(NEWLINE);
      rest = lines.pop() ?? '';
      for (const line of lines) output.write(line + NEWLINE);
      await output.flush(PATIENCE_MS);
    }
  } finally {
    // The last words of a worker that was killed.
    if (rest !== '') output.write(rest + NEWLINE);
  }
}
