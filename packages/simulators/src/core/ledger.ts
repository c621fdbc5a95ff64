import type { Job } from './jobs/job.ts';

/** The names of requests. Upstreams may add their own. */
export type Operation = 'submit' | 'poll' | 'list' | 'download' | 'cancel' | 'delete' | (string & {});

/** The price of a job, billed once. */
export interface Bill {
  readonly quantity: number;
  /** The unit of the bill: `seconds`, `tokens`, … */
  readonly unit: string;
  readonly usd?: number;
}

/** One request that reached an upstream, whether it was handled or not. */
export interface RequestRecord {
  readonly upstream: string;
  readonly operation: Operation;
  readonly method: string;
  readonly path: string;
  /** Milliseconds UTC. */
  readonly at: number;
  readonly account: string | undefined;
  readonly job: string | undefined;
  /** The status of the answer; undefined if the connection was broken instead. */
  readonly status: number | undefined;
  /** The kind of the fault that was applied. */
  readonly fault: string | undefined;
}

/** Everything known about one job. */
export interface JobRecord {
  readonly upstream: string;
  readonly id: string;
  readonly account: string;
  readonly model: string;
  readonly prompt: string;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  /** How many requests about this job were handled. */
  readonly operations: Readonly<Partial<Record<Operation, number>>>;
  readonly bills: readonly Bill[];
}

export interface LedgerFilter {
  readonly upstream?: string;
  readonly operation?: Operation;
}

/** Counts what clients did, so that a test can prove "submitted once, billed once". */
export interface Ledger {
  /** Requests that reached the upstreams, whether they were handled or not. */
  count(filter?: LedgerFilter): number;
  /** The created jobs, in order. Two jobs of one prompt are a double submission. */
  jobs(filter?: { readonly upstream?: string; readonly prompt?: string }): readonly JobRecord[];
  job(upstream: string, id: string): JobRecord | undefined;
  bills(filter?: { readonly upstream?: string }): number;
  /** The latest requests, oldest first. */
  requests(filter?: LedgerFilter): readonly RequestRecord[];
  reset(): void;
}

/** The part of the ledger that the upstreams write. */
export interface LedgerWriter extends Ledger {
  created(job: Job): void;
  /** A request about a job was handled. */
  touched(job: Pick<Job, 'upstream' | 'id'>, operation: Operation): void;
  billed(job: Job, bill: Bill): void;
  request(record: RequestRecord): void;
}

/** How many requests are kept. Older ones are only counted. */
const REQUESTS_KEPT = 2000;

interface Row extends JobRecord {
  readonly operations: Partial<Record<Operation, number>>;
  readonly bills: Bill[];
}

export function createLedger(): LedgerWriter {
  const rows = new Map<string, Row>();
  const counts = new Map<string, Map<Operation, number>>();
  let latest: RequestRecord[] = [];
  let billCounts = new Map<string, number>();

  const keyOf = (upstream: string, id: string): string => `${upstream} ${id}`;
  const matches = (filter: LedgerFilter) => (record: RequestRecord) =>
    (filter.upstream === undefined || record.upstream === filter.upstream) &&
    (filter.operation === undefined || record.operation === filter.operation);

  return {
    count({ upstream, operation } = {}) {
      let sum = 0;
      for (const [name, operations] of counts) {
        if (upstream !== undefined && name !== upstream) continue;
        for (const [one, count] of operations) if (operation === undefined || one === operation) sum += count;
      }
      return sum;
    },
    jobs({ upstream, prompt } = {}) {
      return [...rows.values()].filter(
        (row) =>
          (upstream === undefined || row.upstream === upstream) &&
          (prompt === undefined || row.prompt === prompt),
      );
    },
    job: (upstream, id) => rows.get(keyOf(upstream, id)),
    bills({ upstream } = {}) {
      let sum = 0;
      for (const [name, count] of billCounts) if (upstream === undefined || name === upstream) sum += count;
      return sum;
    },
    requests: (filter = {}) => latest.filter(matches(filter)).slice(-REQUESTS_KEPT),
    reset() {
      rows.clear();
      counts.clear();
      latest = [];
      billCounts = new Map();
    },
    created({ upstream, id, account, model, prompt, createdAt }) {
      rows.set(keyOf(upstream, id), {
        upstream,
        id,
        account,
        model,
        prompt,
        createdAt,
        operations: {},
        bills: [],
      });
    },
    touched({ upstream, id }, operation) {
      const row = rows.get(keyOf(upstream, id));
      if (row) row.operations[operation] = (row.operations[operation] ?? 0) + 1;
    },
    billed({ upstream, id }, bill) {
      rows.get(keyOf(upstream, id))?.bills.push(bill);
      billCounts.set(upstream, (billCounts.get(upstream) ?? 0) + 1);
    },
    request(record) {
      const operations = counts.get(record.upstream) ?? new Map<Operation, number>();
      counts.set(record.upstream, operations);
      operations.set(record.operation, (operations.get(record.operation) ?? 0) + 1);
      latest.push(record);
      if (latest.length > 2 * REQUESTS_KEPT) latest = latest.slice(-REQUESTS_KEPT);
    },
  };
}
