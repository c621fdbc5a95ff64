import { once } from 'node:events';
import { type AddressInfo, createServer, type ListenOptions } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { sharedListenOptions } from '../../src/net/sharedPort.ts';

const HOST = '127.0.0.1';

async function listen(options: ListenOptions): Promise<number> {
  const server = createServer();
  onTestFinished(() => void server.close());
  server.listen({ host: HOST, ...options });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

// Elsewhere node:cluster shares the port.
it.runIf(process.platform === 'linux')(
  'the first of several processes takes only a free port, which the others join',
  async () => {
    const first = await sharedListenOptions(HOST, 0, { joins: undefined });
    const port = await listen(first);
    expect(port).toBe(first.port);
    expect(await listen(await sharedListenOptions(HOST, 0, { joins: port }))).toBe(port);
    // Another gateway by mistake, which the kernel would let in.
    await expect(sharedListenOptions(HOST, port, { joins: undefined })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  },
);
