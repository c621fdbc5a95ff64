import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** A simple load balancer: it checks `/readyz`, takes turns, keeps connections, and never repeats a request. */
export interface RoundRobin {
  readonly origin: string;
  /** Requests answered by each node. */
  readonly answered: ReadonlyMap<string, number>;
  /** Resolves once the node is in use, or no longer in use. */
  is(node: string, wanted: 'in' | 'out'): Promise<void>;
}

const CHECK_MS = 50;

export async function startRoundRobin(nodes: readonly string[]): Promise<RoundRobin> {
  const agent = new Agent({ keepAlive: true });
  const ready = new Set<string>();
  const answered = new Map(nodes.map((node) => [node, 0]));
  const watchers = new Set<() => void>();
  let turn = 0;

  async function check(node: string): Promise<void> {
    // On a new connection each time, because this checks whether the node accepts new ones.
    const asked = request(`${node}/readyz`, { agent: false });
    asked.end();
    const status = await once(asked, 'response').then(
      ([response]) => response.resume().statusCode,
      () => undefined,
    );
    if (status === 200) ready.add(node);
    else ready.delete(node);
    for (const watcher of watchers) watcher();
  }
  await Promise.all(nodes.map(check));
  const timer = setInterval(() => nodes.forEach((node) => void check(node)), CHECK_MS);

  const server = createServer((incoming, outgoing) => {
    const candidates = nodes.filter((node) => ready.has(node));
    const node = candidates[turn++ % candidates.length];
    if (node === undefined) {
      outgoing.writeHead(502).end('no node is ready');
      return;
    }
    const { connection: _, ...headers } = incoming.headers;
    const onward = request(new URL(incoming.url ?? '/', node), { agent, method: incoming.method, headers });
    incoming.pipe(onward);
    onward.on('response', (answer) => {
      answered.set(node, (answered.get(node) ?? 0) + 1);
      const { connection: _own, ...rest } = answer.headers;
      outgoing.writeHead(answer.statusCode ?? 502, rest);
      answer.pipe(outgoing);
    });
    onward.on('error', (error) => {
      if (outgoing.headersSent) outgoing.destroy(error);
      else outgoing.writeHead(502).end(String(error));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    clearInterval(timer);
    agent.destroy();
    server.closeAllConnections();
    server.close();
  });
  // A server that listens on TCP has an address of this shape.
  const { port } = server.address() as AddressInfo;

  return {
    origin: `http://127.0.0.1:${port}`,
    answered,
    is: (node, wanted) =>
      new Promise((resolve) => {
        const look = () => {
          if (ready.has(node) !== (wanted === 'in')) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
  };
}
