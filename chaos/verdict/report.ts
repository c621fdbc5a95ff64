import type { ApiClient } from '../clients/http.ts';
import type { Fault } from '../faults/fault.ts';
import { BREAKS_NO_REQUEST, FAULT_KINDS } from '../plan.ts';
import type { BalancerFailure } from '../system/loadBalancer.ts';
import type { Adoption } from './ownership.ts';
import { type Evidence, type Verdict, VIOLATION_KINDS, VIOLATIONS } from './verdict.ts';

/** The report besides the verdict. */
export interface Circumstances {
  readonly adoptions: readonly Adoption[];
  readonly troubles: ApiClient['troubles'];
  readonly hangUps: number;
  readonly balancerFailures: readonly BalancerFailure[];
  readonly crashes: readonly string[];
  readonly failedStarts: number;
  /** Planned faults without an effect, by reason. */
  readonly skipped: ReadonlyMap<string, number>;
  readonly upstreamRequests: number;
  readonly seconds: number;
}

/** Violations of each kind that are listed completely. */
const SHOWN = 20;

/** The report; its last line has the counts. */
export function report(evidence: Evidence, verdict: Verdict, circumstances: Circumstances): string {
  const { violations, lookedFor } = verdict;
  const { adoptions, troubles, balancerFailures, crashes, failedStarts, skipped, seconds } = circumstances;
  const lines = [
    `duration   ${seconds.toFixed(0)} s`,
    `faults     ${faultCounts(evidence.faults)}`,
    ...[...skipped].map(([what, count]) => `skipped    ${count} × ${what}`),
    `hang-ups   ${circumstances.hangUps} requests that clients gave up in the middle`,
    `tasks      ${outcomes(evidence)}`,
    `upstream   ${evidence.jobs.length} jobs, ${sum(evidence.jobs.map((job) => job.bills))} bills, ${circumstances.upstreamRequests} requests`,
    `adoption   ${adoptionTimes(adoptions)}`,
    ...rolling(evidence.faults, balancerFailures),
    'clients    were answered, beside what they asked for:',
    ...[...troubles]
      .sort((a, b) => b[1] - a[1])
      .map(([what, count]) => `           ${String(count).padStart(6)} × ${what}`),
    ...(lookedFor > 0
      ? [
          `looked for ${lookedFor} lost submissions are still searched for upstream; a longer run waits for them`,
        ]
      : []),
    `starts     ${failedStarts} failed since the database or the storage was away, and were tried again`,
    ...crashes.map((crash) => `crash      ${crash}`),
    ...VIOLATION_KINDS.flatMap((violation) => [
      ...violations[violation].slice(0, SHOWN).map((what) => `${VIOLATIONS[violation].padEnd(10)} ${what}`),
      ...(violations[violation].length > SHOWN
        ? [`${VIOLATIONS[violation].padEnd(10)} … and ${violations[violation].length - SHOWN} more`]
        : []),
    ]),
    VIOLATION_KINDS.map((violation) => `${VIOLATIONS[violation]} ${violations[violation].length}`).join(', '),
  ];
  return lines.join('\n');
}

function faultCounts(faults: readonly Fault[]): string {
  return FAULT_KINDS.map((kind) => {
    const made = faults.filter((fault) => fault.kind === kind);
    const hits = made.flatMap((fault) => fault.hits ?? []);
    return `${made.length} ${kind}${hits.length > 0 ? ` (${sum(hits)} hit)` : ''}`;
  }).join(', ');
}

function outcomes({ clients, tasks }: Evidence): string {
  const reasons = new Map<string, number>();
  for (const { phase, reason } of tasks) {
    const how = phase === 'failed' ? `failed: ${reason}` : phase;
    reasons.set(how, (reasons.get(how) ?? 0) + 1);
  }
  const parts = [...reasons].sort((a, b) => b[1] - a[1]).map(([how, count]) => `${count} ${how}`);
  return `${clients.length} submitted, ${tasks.length} stored; ${parts.join(', ')}`;
}

function adoptionTimes(adoptions: readonly Adoption[]): string {
  if (adoptions.length === 0) return 'no node was parted from a task';
  const kinds = [...Map.groupBy(adoptions, ({ kind }) => kind)].map(
    ([kind, ofKind]) => `${kind} ${quantiles(ofKind.map(({ ms }) => ms))}`,
  );
  return `${adoptions.length} tasks, seconds p50/p99/max: all ${quantiles(adoptions.map(({ ms }) => ms))}; ${kinds.join('; ')}`;
}

function quantiles(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return [at(0.5), at(0.99), at(1)].map((ms) => (ms / 1000).toFixed(1)).join('/');
}

/** Requests that broke while nodes were restarted with SIGTERM, and no other fault was active. */
function rolling(faults: readonly Fault[], failures: readonly BalancerFailure[]): string[] {
  const restarts = faults.filter(({ kind }) => kind === 'rolling_restart');
  const others = faults.filter(({ kind }) => kind !== 'rolling_restart' && !BREAKS_NO_REQUEST.has(kind));
  const within = ({ from, until = Number.POSITIVE_INFINITY }: Fault, at: number) => at >= from && at <= until;
  const dropped = failures.filter(
    ({ at }) => restarts.some((fault) => within(fault, at)) && !others.some((fault) => within(fault, at)),
  );
  if (restarts.length === 0) return [];
  const words = dropped.map(({ method, why }) => `${method} ${why}`);
  return [
    `rolling    ${dropped.length} requests dropped by polite restarts alone${words.length > 0 ? `: ${words.join(', ')}` : ''}`,
  ];
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
