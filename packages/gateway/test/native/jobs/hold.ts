import type { JobContext } from '../../../src/native/protocol.ts';

/** Tells a server that it runs, in which process, and ends when the server responds. */
export async function run(
  { url, name }: { url: string; name: string },
  context: JobContext,
): Promise<string> {
  context.progress(1);
  const response = await fetch(`${url}/?name=${name}&pid=${process.pid}`);
  return response.text();
}
