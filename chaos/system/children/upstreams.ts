// The upstreams: simulators with their ledger, in a process of their own.
import {
  type FaultRule,
  type Simulators,
  type SimulatorsOptions,
  startSimulators,
} from '@onetake/simulators';
import { serveParent } from '../../shared/rpc.ts';

/** What an upstream knows about one prompt. */
export interface UpstreamJob {
  readonly upstream: string;
  readonly id: string;
  readonly prompt: string;
  readonly bills: number;
}

let running: Simulators | undefined;

function simulators(): Simulators {
  if (!running) throw new Error('the upstreams have not been started');
  return running;
}

const calls = {
  async start(options: SimulatorsOptions): Promise<Readonly<Record<string, string>>> {
    running = await startSimulators(options);
    return running.environment;
  },
  /** Refuses every connection to these upstreams, as if their network were down. */
  async refuse(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => simulators().upstream(name).outage()));
  },
  async accept(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => simulators().upstream(name).restore()));
  },
  addFault: (rule: FaultRule): number => simulators().faults.add(rule).id,
  removeFault: (id: number): boolean => simulators().faults.remove(id),
  jobs: (): UpstreamJob[] =>
    simulators()
      .ledger.jobs()
      .map(({ upstream, id, prompt, bills }) => ({ upstream, id, prompt, bills: bills.length })),
  requests: (): number => simulators().ledger.count(),
  /**
   * Deletes the results that were downloaded between two times (milliseconds UTC), as if their links had expired; resolves with the
   * prompts of their jobs.
   */
  expireFetched(from: number, until: number): string[] {
    const { ledger, upstreams } = simulators();
    const fetched = ledger
      .requests({ operation: 'download' })
      .filter(({ at, status }) => at >= from && at < until && (status === 200 || status === 206));
    const jobs = new Map(fetched.map(({ upstream, job }) => [`${upstream} ${job}`, { upstream, job }]));
    return [...jobs.values()].flatMap(({ upstream, job: id = '' }) => {
      const { jobs } = upstreams.find(({ name }) => name === upstream) ?? {};
      const job = jobs?.find(id);
      if (!jobs || !job) return [];
      jobs.loseResult(job);
      return [job.prompt];
    });
  },
};
export type UpstreamCalls = typeof calls;

serveParent(calls, async () => running?.close());
