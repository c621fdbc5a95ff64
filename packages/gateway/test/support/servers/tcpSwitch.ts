import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';

/** A way to a server that a test can block. */
export interface TcpSwitch {
  readonly port: number;
  /** From here on nothing passes in either direction, and nobody is told: as where a host or a route has vanished. */
  swallow(): void;
  /** Lets pass what is connected from here on. What was swallowed before stays so. */
  open(): void;
  /** Cuts what is connected, and leads to another port from here on: as a failover does. */
  turn(port: number): void;
  close(): Promise<void>;
}

export async function createTcpSwitch(first: number): Promise<TcpSwitch> {
  const sockets = new Set<Socket>();
  let target = first;
  let swallowing = false;
  const server = createServer((near) => {
    const far = dial(target, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      let cut = swallowing;
      from.on('data', (bytes) => {
        cut ||= swallowing;
        if (!cut) to.write(bytes);
      });
      from.on('error', () => undefined);
      from.on('close', () => {
        sockets.delete(from);
        if (!cut && !swallowing) to.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    swallow() {
      swallowing = true;
    },
    open() {
      swallowing = false;
    },
    turn(port) {
      target = port;
      for (const socket of [...sockets]) socket.destroy();
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
