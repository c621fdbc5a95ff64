import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createProxy } from 'proxy';
import { onTestFinished } from 'vitest';

/** A forward proxy and the requests it received: `CONNECT host:port`, `GET http://host/path`. */
export interface TestProxy {
  readonly url: string;
  readonly asked: string[];
}

/** Starts a forward proxy that ends with the test; if credentials are given, it requires them. */
export async function startProxy(credentials?: string): Promise<TestProxy> {
  const asked: string[] = [];
  const server = createProxy(createServer());
  const expected = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`;
  server.authenticate = (request) => {
    asked.push(`${request.method} ${request.url}`);
    return expected === undefined || request.headers['proxy-authorization'] === expected;
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://${credentials ? `${credentials}@` : ''}127.0.0.1:${port}`, asked };
}
