import type { MetricsSnapshot } from '../../observability/metrics.ts';
import type { FromWorker, ToWorker } from './messages.ts';

/** A worker as it is asked for its metrics. */
interface Asked {
  readonly number: number;
  readonly restarts: number;
  /** Undefined while it does not serve. */
  readonly send: ((message: ToWorker) => void) | undefined;
}

export interface Gathering {
  /** Answers a worker that asks for the metrics of all. */
  gather(request: number, reply: (message: ToWorker) => void): void;
  /** Takes what a worker has answered. */
  answered(number: number, answer: Extract<FromWorker, { type: 'metrics' }>): void;
}

/** How long a worker may take. One that is stuck is left out, so that the others are seen. Milliseconds. */
const TIMEOUT_MS = 2000;

/** Collects the metrics of all workers, for whichever of them is asked for `/metrics`. */
export function createGathering(workers: () => readonly Asked[]): Gathering {
  /** Those that have not answered yet, by the number of the request. */
  const open = new Map<number, { readonly waitsFor: Set<number>; take(snapshot: MetricsSnapshot): void }>();
  let last = 0;

  return {
    gather(request, reply) {
      const all = workers();
      const asked = all.filter(({ send }) => send !== undefined);
      const snapshots: MetricsSnapshot[] = [];
      const waitsFor = new Set(asked.map(({ number }) => number));
      last += 1;
      const own = last;
      const end = () => {
        clearTimeout(timer);
        open.delete(own);
        reply({ type: 'gathered', request, snapshots: [...snapshots, aboutWorkers(all, waitsFor)] });
      };
      const timer = setTimeout(end, TIMEOUT_MS);
      open.set(own, {
        waitsFor,
        take(snapshot) {
          snapshots.push(snapshot);
          if (waitsFor.size === 0) end();
        },
      });
      for (const { send } of asked) send?.({ type: 'metrics', request: own });
    },
    answered(number, { request, snapshot }) {
      const waiting = open.get(request);
      // Too late, or a second time.
      if (!waiting?.waitsFor.delete(number)) return;
      waiting.take(snapshot);
    },
  };
}

/** What only the supervisor knows. */
function aboutWorkers(workers: readonly Asked[], silent: ReadonlySet<number>): MetricsSnapshot {
  const metric = (
    name: string,
    type: 'gauge' | 'counter',
    help: string,
    read: (worker: Asked) => number,
  ) => ({
    name,
    type,
    help,
    aggregator: 'sum',
    values: workers.map((worker) => ({ labels: { worker: String(worker.number) }, value: read(worker) })),
  });
  return [
    metric('onetake_worker_up', 'gauge', 'Whether a worker serves and has given its metrics', (worker) =>
      worker.send !== undefined && !silent.has(worker.number) ? 1 : 0,
    ),
    metric(
      'onetake_worker_restarts_total',
      'counter',
      'How many times a worker was started again after it had ended',
      ({ restarts }) => restarts,
    ),
  ];
}
