import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface TestServer {
  readonly port: number;
  readonly origin: string;
  /** The received requests. */
  readonly requests: IncomingMessage[];
}

/** A real HTTP server on a free port (or the given one), closed when the test ends. */
export async function serve(
  listener: RequestListener,
  { host = '127.0.0.1', port = 0 } = {},
): Promise<TestServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    listener(request, response);
  });
  server.listen(port, host);
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  // A server that listens on TCP has an address of this shape.
  const bound = server.address() as AddressInfo;
  return { port: bound.port, origin: `http://${host}:${bound.port}`, requests };
}
