import { type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import { serve } from './httpServer.ts';

/** What happens to a request: it passes, its connection breaks, it gets no response, or another one. */
export type Fate =
  | 'pass'
  | 'break'
  | 'hang'
  | { readonly thenHangAfter: number }
  /** The server does not get the request. */
  | { readonly answer: (response: ServerResponse) => void };

export interface FlakyServer {
  readonly endpoint: string;
  readonly requests: IncomingMessage[];
  /** Decides about requests from now on. */
  fate: (request: IncomingMessage) => Fate;
}

/** A proxy in front of a local server that passes on what the test allows. */
export async function flakyServer(target: { readonly port: number }): Promise<FlakyServer> {
  const flaky: { fate: FlakyServer['fate'] } = { fate: () => 'pass' };
  const { origin, requests } = await serve((request, response) => {
    const fate = flaky.fate(request);
    if (fate === 'break') return void request.socket.destroy();
    if (fate === 'hang') return void request.resume();
    if (typeof fate === 'object' && 'answer' in fate) {
      request.resume();
      return fate.answer(response);
    }
    const { method, url, headers } = request;
    const upstream = send({ host: '127.0.0.1', port: target.port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      if (fate === 'pass') return void answer.pipe(response);
      let left = fate.thenHangAfter;
      answer.on('data', (piece: Buffer) => {
        if (left > 0) response.write(piece.subarray(0, left));
        left -= piece.length;
      });
    });
    upstream.on('error', () => request.socket.destroy());
    request.pipe(upstream);
  });
  return Object.assign(flaky, { endpoint: origin, requests });
}
