// The upstreams of one contender: simulators in a process of their own.
import { type Simulators, type SimulatorsOptions, startSimulators } from '@onetake/simulators';
import { serveParent } from '../../chaos/shared/rpc.ts';

/** How a client reaches the simulators. */
export interface Addresses {
  readonly environment: Readonly<Record<string, string>>;
  /** The origin and the key of the only upstream. */
  readonly url: string;
  readonly key: string;
}

/** A job as its upstream knows it. Milliseconds UTC. */
export interface UpstreamJob {
  readonly prompt: string;
  readonly createdAt: number;
  readonly endedAt: number | undefined;
}

/** Requests so far, by what they are for. A list may answer for many jobs at once. */
export interface RequestCounts {
  readonly poll: number;
  readonly list: number;
  readonly all: number;
  /** CPU time of the simulators, without encoding. Near a core they are the bottleneck. Microseconds. */
  readonly cpuUs: number;
}

let running: Simulators | undefined;

function simulators(): Simulators {
  if (!running) throw new Error('the simulators have not been started');
  return running;
}

const calls = {
  async start(options: SimulatorsOptions & { readonly only: readonly [string] }): Promise<Addresses> {
    running = await startSimulators(options);
    const [name] = options.only;
    const { url, key } = running.upstream(name);
    return { environment: running.environment, url, key };
  },
  configure(upstream: string, settings: Readonly<Record<string, string>>): void {
    simulators().upstream(upstream).configure(settings);
  },
  jobs: (): UpstreamJob[] =>
    simulators().upstreams.flatMap(({ jobs }) =>
      jobs.all().map(({ prompt, createdAt, endedAt }) => ({ prompt, createdAt, endedAt })),
    ),
  requests(): RequestCounts {
    const { ledger } = simulators();
    const { user, system } = process.cpuUsage();
    return {
      poll: ledger.count({ operation: 'poll' }),
      list: ledger.count({ operation: 'list' }),
      all: ledger.count(),
      cpuUs: user + system,
    };
  },
};
export type UpstreamCalls = typeof calls;

serveParent(calls, async () => running?.close());
