import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * The load balancer: round robin over the nodes that answer `/readyz`, or over all if none does. A request goes to another
 * node only if the first one never received it, or if it is a GET or HEAD. The client itself must repeat a POST that was sent.
 */
export interface LoadBalancer {
  readonly address: string;
  add(node: string): void;
  remove(node: string): void;
  /** Whether a node gets requests. */
  serves(node: string): boolean;
  /** Requests that no node answered, by the failure at the node; clients get 502 or 504. */
  readonly failures: readonly BalancerFailure[];
  close(): Promise<void>;
}

export interface BalancerFailure {
  /** Milliseconds UTC. */
  readonly at: number;
  readonly node: string;
  readonly method: string;
  readonly why: string;
}

interface Node {
  readonly url: URL;
  readonly agent: Agent;
  healthy: boolean;
  readonly open: Set<() => void>;
  check: NodeJS.Timeout | undefined;
}

const CHECK_MS = 500;
const CHECK_TIMEOUT_MS = 1500;
/** Above the longest wait that our clients request. */
const ANSWER_TIMEOUT_MS = 20_000;
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'trailer']);

export async function startLoadBalancer(): Promise<LoadBalancer> {
  const nodes = new Map<string, Node>();
  const failures: BalancerFailure[] = [];
  let turn = 0;

  function next(tried: ReadonlySet<Node>): Node | undefined {
    const all = [...nodes.values()].filter((node) => !tried.has(node));
    const healthy = all.filter((node) => node.healthy);
    const choices = healthy.length > 0 ? healthy : all;
    turn += 1;
    return choices[turn % Math.max(1, choices.length)];
  }

  const server = createServer((request, response) => {
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    void bodyOf(request).then(
      (body) => pass(request, body, response, new Set()),
      () => response.destroy(),
    );
  });

  function pass(request: IncomingMessage, body: Buffer, response: ServerResponse, tried: Set<Node>): void {
    const node = next(tried);
    if (response.destroyed) return;
    if (!node) {
      fail(response, 502, 'no node took the request');
      return;
    }
    tried.add(node);
    const repeatable = request.method === 'GET' || request.method === 'HEAD';
    forward({ node, request, body, response, repeatable }, (error) => {
      const refused = error.code === 'ECONNREFUSED';
      if (refused) node.healthy = false;
      if (refused || repeatable) return pass(request, body, response, tried);
      const why = error.code ?? error.message;
      failures.push({ at: Date.now(), node: node.url.origin, method: request.method ?? '', why });
      fail(response, error.code === undefined ? 504 : 502, why);
    });
  }

  async function check(node: Node): Promise<void> {
    const ready = await isReady(node);
    if (nodes.get(node.url.origin) !== node) return;
    node.healthy = ready === true;
    // A client that waits for a node without an answer is served by another.
    if (ready === undefined && nodes.size > 1) for (const giveUp of [...node.open]) giveUp();
    node.check = setTimeout(() => void check(node), CHECK_MS);
  }

  function remove(origin: string): void {
    const node = nodes.get(origin);
    nodes.delete(origin);
    clearTimeout(node?.check);
    node?.agent.destroy();
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // Clients keep their connections for the whole run.
  server.keepAliveTimeout = 0;

  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    failures,
    add(origin) {
      const node: Node = {
        url: new URL(origin),
        agent: new Agent({ keepAlive: true }),
        healthy: false,
        open: new Set(),
        check: undefined,
      };
      nodes.set(origin, node);
      void check(node);
    },
    remove,
    serves: (origin) => nodes.get(origin)?.healthy ?? false,
    async close() {
      for (const origin of [...nodes.keys()]) remove(origin);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Forwarded {
  readonly node: Node;
  readonly request: IncomingMessage;
  readonly body: Buffer;
  readonly response: ServerResponse;
  /** Whether it may be given up for another node. */
  readonly repeatable: boolean;
}

/** Sends a request to a node and its response to the client; calls `onError` if no response began. */
function forward(
  { node, request, body, response, repeatable }: Forwarded,
  onError: (error: NodeJS.ErrnoException) => void,
): void {
  let settled = false;
  const onward = send({
    agent: node.agent,
    host: node.url.hostname,
    port: node.url.port,
    method: request.method,
    path: request.url,
    headers: headersOf(request),
    timeout: ANSWER_TIMEOUT_MS,
  });
  const giveUp = () => onward.destroy(new Error('the node does not answer'));
  const settle = (): boolean => {
    node.open.delete(giveUp);
    response.off('close', abandon);
    const first = !settled;
    settled = true;
    return first;
  };
  const abandon = () => {
    if (settle()) onward.destroy();
  };
  if (repeatable) node.open.add(giveUp);
  response.once('close', abandon);
  onward.once('timeout', giveUp);
  onward.once('error', (error) => {
    if (settle()) onError(error);
  });
  onward.once('response', (answer) => {
    node.open.delete(giveUp);
    response.writeHead(answer.statusCode ?? 502, headersOf(answer));
    answer.pipe(response);
    answer.once('end', settle);
    // A body that breaks off must also break off for the client.
    answer.once('close', () => {
      if (settle() && !answer.complete) response.destroy();
    });
    answer.once('error', () => response.destroy());
  });
  onward.end(body);
}

/** Undefined if it does not respond. */
async function isReady({ url }: Node): Promise<boolean | undefined> {
  try {
    const answer = await fetch(new URL('/readyz', url), { signal: AbortSignal.timeout(CHECK_TIMEOUT_MS) });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return undefined;
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}

function headersOf({ headers }: IncomingMessage): Record<string, string | string[]> {
  const kept = Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name));
  return Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

function fail(response: ServerResponse, status: number, why: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({
      error: { code: status, message: `Load balancer: ${why}`, reason: `balancer_${status}` },
    }),
  );
}
