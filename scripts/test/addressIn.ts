import { createInterface } from 'node:readline';

/** The address at which a gateway with this output listens, as soon as it does. */
export async function addressIn(output: NodeJS.ReadableStream): Promise<string> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: output })) {
    const [, url] = /listening on (http:\S+)/.exec(line) ?? [];
    if (url !== undefined) return url;
    lines.push(line);
  }
  throw new Error(`The gateway ended:\n${lines.join('\n')}`);
}
