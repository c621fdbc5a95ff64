import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { ProviderFile } from '../../providers/declared/schema.ts';
import type { Clock } from '../../time/clock.ts';

export interface SentRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** JSON, or text if it is none. */
  readonly body: unknown;
}

export type RecordedAnswer = NonNullable<ProviderFile['examples'][number]['answer']>;

/** An upstream that gives recorded answers. */
export interface RecordedUpstream {
  readonly origin: string;
  /** The requests that the work sends, which get these answers in turn and then the last one, and what came of it. */
  answering<T>(
    answers: readonly RecordedAnswer[],
    work: () => Promise<T>,
  ): Promise<{ sent: readonly SentRequest[]; outcome: T }>;
  close(): Promise<void>;
}

/** Listens on a port of this machine. Answers have the date of the clock. */
export async function serveRecorded(clock: Clock): Promise<RecordedUpstream> {
  let answers: readonly RecordedAnswer[] = [];
  let sent: SentRequest[] = [];
  const server = createServer(async (request, response) => {
    const text = (await buffer(request)).toString('utf8');
    const { method = '', url: path = '', headers } = request;
    response.setHeader('date', new Date(clock.now()).toUTCString());
    // It asks for the time only.
    if (method === 'HEAD') return response.end();
    sent.push({ method, path, headers, body: parsed(text) });
    const { status, headers: given, body } = answers[sent.length - 1] ?? answers.at(-1) ?? NOTHING;
    response.writeHead(status, { 'content-type': 'application/json', ...given });
    return response.end(body === undefined ? '' : JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A server that listens on TCP has an address of this shape.
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    async answering(given, work) {
      answers = given;
      sent = [];
      const outcome = await work();
      return { sent, outcome };
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const NOTHING: RecordedAnswer = { status: 404, headers: {} };

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text === '' ? undefined : text;
  }
}
