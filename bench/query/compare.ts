import { AUTHORIZED, cpuPerRequest, type SendLoad, type Server } from './servers.ts';

/** A query that both servers answer. */
export interface Compared {
  readonly status: 200 | 304;
  readonly connections: number;
  readonly pipelining?: number;
}

export interface Comparison {
  /** CPU time of the gateway for each query, microseconds. */
  readonly gateway: readonly number[];
  readonly bare: readonly number[];
  /** Of the gateway against the bare server, in each round. */
  readonly ratios: readonly number[];
}

export interface Contest {
  readonly send: SendLoad;
  readonly gateway: Server;
  readonly bare: Server;
  readonly path: string;
  readonly etag: string;
  readonly rounds: number;
  readonly requests: number;
}

/** The CPU time of a query with both servers, in turns, so that the noise of the machine affects both. The first round is for warming up. */
export async function compare(
  contest: Contest,
  { status, connections, pipelining = 1 }: Compared,
): Promise<Comparison> {
  const { send, path, etag, rounds, requests } = contest;
  const headers = { ...AUTHORIZED, ...(status === 304 ? { 'if-none-match': etag } : {}) };
  const cost = ({ port, pid }: Server) =>
    cpuPerRequest(send, pid, { port, paths: [path], headers, status, requests, connections, pipelining });
  const found = { gateway: [] as number[], bare: [] as number[], ratios: [] as number[] };
  for (let round = 0; round <= rounds; round++) {
    const [gateway, bare] = [await cost(contest.gateway), await cost(contest.bare)];
    if (round === 0) continue;
    found.gateway.push(gateway);
    found.bare.push(bare);
    found.ratios.push(gateway / bare);
  }
  return found;
}
