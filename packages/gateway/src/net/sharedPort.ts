import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** How a process listens on a port that it shares with others of the same gateway. */
export interface SharedPort {
  /** The port on which others of them listen already. Undefined for the first one. */
  readonly joins: number | undefined;
}

/**
 * Whether the kernel shares out connections over processes that listen on one port each for itself: a connection then waits only for the process
 * that it is meant for, and ends with it. Elsewhere node:cluster does it.
 */
const KERNEL_SHARES = process.platform === 'linux';

/**
 * The options to listen with. The kernel would let any process of the same user join, also another gateway by mistake. Therefore the first
 * one must have the port for itself for a moment; throws as `listen` does if it is taken.
 */
export async function sharedListenOptions(
  host: string,
  port: number,
  { joins }: SharedPort,
): Promise<{ readonly port: number; readonly reusePort?: true }> {
  if (!KERNEL_SHARES) return { port };
  return { port: joins ?? (await freePort(host, port)), reusePort: true };
}

/** The port, or any that is free for 0. */
async function freePort(host: string, port: number): Promise<number> {
  const server = createServer();
  server.listen({ host, port, exclusive: true });
  await once(server, 'listening');
  const { port: free } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return free;
}
