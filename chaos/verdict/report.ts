import type { ApiClient } from '../clients/http.ts';
import type { Fault } from '../faults/faults.ts';
import { FAULT_KINDS } from '../plan.ts';
import type { BalancerFailure } from '../system/loadBalancer.ts';
import type { Adoption } from './ownership.ts';
import type { Remains, Verdict } from './verdict.ts';
import { WRONGS } from './verdict.ts';

/** What is told beside the verdict. */
export interface Circumstances {
  readonly adoptions: readonly Adoption[];
  readonly troubles: ApiClient['troubles'];
  readonly balancerFailures: readonly BalancerFailure[];
  readonly crashes: readonly string[];
  readonly failedStarts: number;
  readonly skipped: number;
  readonly upstreamRequests: number;
  readonly seconds: number;
}

/** Wrongs of each kind that are told in full. */
const SHOWN = 20;

/** The report, its last line the verdict in numbers. */
export function report(remains: Remains, verdict: Verdict, circumstances: Circumstances): string {
  const { wrongs, lookedFor } = verdict;
  const { adoptions, troubles, balancerFailures, crashes, failedStarts, skipped, seconds } = circumstances;
  const lines = [
    `duration   ${seconds.toFixed(0)} s`,
    `faults     ${faultCounts(remains.faults)}${skipped > 0 ? `; ${skipped} had no node to hit` : ''}`,
    `tasks      ${outcomes(remains)}`,
    `upstream   ${remains.jobs.length} jobs, ${sum(remains.jobs.map((job) => job.bills))} bills, ${circumstances.upstreamRequests} requests`,
    `adoption   ${adoptionTimes(adoptions)}`,
    ...rolling(remains.faults, balancerFailures),
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
    ...WRONGS.flatMap((wrong) => [
      ...wrongs[wrong].slice(0, SHOWN).map((what) => `${wrong.padEnd(10)} ${what}`),
      ...(wrongs[wrong].length > SHOWN
        ? [`${wrong.padEnd(10)} … and ${wrongs[wrong].length - SHOWN} more`]
        : []),
    ]),
    WRONGS.map((wrong) => `${wrong} ${wrongs[wrong].length}`).join(', '),
  ];
  return lines.join('\n');
}

function faultCounts(faults: readonly Fault[]): string {
  const counts = FAULT_KINDS.map(
    (kind) => [kind, faults.filter((fault) => fault.kind === kind).length] as const,
  );
  return counts.map(([kind, count]) => `${count} ${kind}`).join(', ');
}

function outcomes({ clients, tasks }: Remains): string {
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

/** Requests that broke while nodes were restarted politely, and nothing else was going on. */
function rolling(faults: readonly Fault[], failures: readonly BalancerFailure[]): string[] {
  const restarts = faults.filter(({ kind }) => kind === 'rolling_restart');
  const others = faults.filter(({ kind }) => kind !== 'rolling_restart');
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
