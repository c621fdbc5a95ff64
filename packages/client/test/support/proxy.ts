import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What becomes of a request: answered by the proxy, or forwarded and its answer lost or cut off after so many bytes. */
export type Fault =
  | { readonly answer: number; readonly headers?: Readonly<Record<string, string>> }
  | { readonly lose: true }
  | { readonly cutAfter: number };

/** A reverse proxy that fails as it is told. */
export interface TestProxy {
  readonly url: string;
  target: string;
  /** Method and path of each request, in their order. */
  readonly seen: string[];
  /** What becomes of a request from now on; undefined forwards it. */
  fault: (request: string, headers: IncomingMessage['headers']) => Fault | undefined;
  /** Cuts all connections. */
  cut(): void;
  close(): Promise<void>;
}

export async function startProxy(): Promise<TestProxy> {
  const server = createServer((incoming, outgoing) => forward(proxy, incoming, outgoing));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: TestProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    target: '',
    seen: [],
    fault: () => undefined,
    cut: () => server.closeAllConnections(),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return proxy;
}

function forward(proxy: TestProxy, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const name = `${incoming.method} ${incoming.url}`;
  proxy.seen.push(name);
  const fault = proxy.fault(name, incoming.headers);
  if (fault && 'answer' in fault) {
    incoming.resume();
    outgoing.writeHead(fault.answer, fault.headers).end('an answer of the proxy');
    return;
  }
  const { method, headers } = incoming;
  const upstream = request(new URL(incoming.url ?? '', proxy.target), { method, headers }, (answer) => {
    if (fault && 'lose' in fault) {
      answer.resume().once('end', () => outgoing.destroy());
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
    outgoing.flushHeaders();
    let left = fault?.cutAfter ?? Number.POSITIVE_INFINITY;
    answer.on('data', (piece: Buffer) => {
      if (left <= 0) return;
      outgoing.write(piece.subarray(0, left), () => left <= 0 && outgoing.destroy());
      left -= piece.length;
    });
    answer.once('end', () => outgoing.end());
    answer.once('error', () => outgoing.destroy());
  });
  upstream.once('error', () => outgoing.destroy());
  outgoing.once('close', () => upstream.destroy());
  incoming.pipe(upstream);
}
