import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultKind, PlannedFault } from '../plan.ts';
import { UPSTREAMS } from '../shared/families.ts';
import { expireResults } from './expireResults.ts';
import type { Fault, FaultContext, MakeFault } from './fault.ts';

type ServiceFault = Extract<
  FaultKind,
  | 'database_restart'
  | 'database_crash'
  | 'storage_away'
  | 'results_expired'
  | 'upstream_away'
  | 'upstream_errors'
>;

/** How long the database stays down: a careful restart, and the failover of a managed database. Milliseconds. */
const DATABASE_DOWN_MS = 1_000;
/** The requests to upstreams besides submissions. */
const QUESTIONS = ['poll', 'list', 'download'] as const;
/** Until separated nodes know it, and others have downloaded what those had begun to. Milliseconds. */
const SETTLE_MS = 8_000;

/** Faults of the services that all nodes share. */
export function serviceFaults(context: FaultContext): Record<ServiceFault, MakeFault> {
  const { system, pace } = context;
  /** Only one of these faults at a time: two outages of one service would end each other. */
  const chains = new Map<string, Promise<void>>();

  /** Waits for an earlier fault of the same service, then does `work`. */
  function inTurn(
    planned: PlannedFault,
    resource: string,
    work: (fault: Fault) => Promise<void>,
  ): Promise<void> {
    const before = chains.get(resource) ?? Promise.resolve();
    const now = before.then(async () => {
      const fault = context.begin(planned.kind);
      await work(fault);
      fault.until = Date.now();
    });
    chains.set(
      resource,
      now.catch(() => undefined),
    );
    return now;
  }

  const database = (planned: PlannedFault, how: 'fast' | 'crash') =>
    inTurn(planned, 'database', async () => {
      await system.machine.call('stopDatabase', how);
      await sleep(DATABASE_DOWN_MS);
      await system.machine.call('startDatabase');
    });

  async function answerErrors(): Promise<number[]> {
    const ids: number[] = [];
    for (const upstream of UPSTREAMS) {
      const operations = pace.sparedSubmits.includes(upstream) ? QUESTIONS : ['submit', ...QUESTIONS];
      for (const operation of operations) {
        ids.push(await system.upstreams.call('addFault', { kind: 'server_error', upstream, operation }));
      }
    }
    return ids;
  }

  return {
    database_restart: (planned) => database(planned, 'fast'),
    database_crash: (planned) => database(planned, 'crash'),
    storage_away: (planned) =>
      inTurn(planned, 'storage', async () => {
        await system.storage.set('cut');
        await sleep(planned.ms);
        await system.storage.set('open');
      }),
    async results_expired(planned) {
      await sleep(SETTLE_MS);
      await inTurn(planned, 'storage', (fault) => expireResults(context, planned.ms, fault));
    },
    upstream_away: (planned) =>
      inTurn(planned, 'upstreams', async () => {
        await system.upstreams.call('refuse', UPSTREAMS);
        await sleep(planned.ms);
        await system.upstreams.call('accept', UPSTREAMS);
      }),
    upstream_errors: (planned) =>
      inTurn(planned, 'upstreams', async () => {
        const ids = await answerErrors();
        await sleep(planned.ms);
        for (const id of ids) await system.upstreams.call('removeFault', id);
      }),
  };
}
