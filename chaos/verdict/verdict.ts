import type { ClientLog } from '../clients/client.ts';
import type { Fault } from '../faults/fault.ts';
import { BREAKS_NO_REQUEST } from '../plan.ts';
import { BUILT_IN } from '../shared/families.ts';
import type { StoredObject } from '../system/children/servers.ts';
import type { UpstreamJob } from '../system/children/upstreams.ts';
import type { TaskRecord } from './records.ts';

/** What a run left behind. */
export interface Evidence {
  readonly clients: readonly ClientLog[];
  readonly tasks: readonly TaskRecord[];
  readonly jobs: readonly UpstreamJob[];
  readonly objects: readonly StoredObject[];
  readonly faults: readonly Fault[];
}

/** What may be violated, and the word for it in the report's last line. */
export const VIOLATIONS = {
  lost: 'lost',
  duplicate: 'twice',
  imbalance: 'drift',
  unreadable: 'unreadable',
  backwards: 'backwards',
} as const;
export type Violation = keyof typeof VIOLATIONS;
export const VIOLATION_KINDS = Object.keys(VIOLATIONS) as readonly Violation[];

export interface Verdict {
  /** Each violation, in words. */
  readonly violations: Readonly<Record<Violation, readonly string[]>>;
  /** Tasks whose lost submission is still looked for upstream, by a run too short to wait for it. */
  readonly lookedFor: number;
}

/**
 * Upstreams that cannot say for certain that they never had a submission: Gemini has no list, DashScope's and Ark's lag
 * (docs/providers). OpenAI's list can be believed.
 */
const CANNOT_TELL: ReadonlySet<string> = new Set(['gemini', 'dashscope', 'ark']);
/** A call that a fault meets was begun at most so long before: the nodes' own time-out, and a little. Milliseconds. */
const CALL_MS = 6_000;

/** Holds what clients were told, the database, the upstreams' own books and the storage beside each other. */
export function judge(evidence: Evidence, { short }: { readonly short: boolean }): Verdict {
  const violations: Record<Violation, string[]> = {
    lost: [],
    duplicate: [],
    imbalance: [],
    unreadable: [],
    backwards: [],
  };
  const byId = new Map(evidence.tasks.map((task) => [task.id, task]));
  const byPrompt = Map.groupBy(evidence.tasks, ({ prompt }) => prompt);
  const jobsOf = Map.groupBy(evidence.jobs, ({ prompt }) => prompt);
  const objects = new Map(evidence.objects.map((object) => [object.key, object]));
  let lookedFor = 0;

  for (const client of evidence.clients) {
    const { planned, ids } = client;
    const [id] = ids;
    const task = id === undefined ? undefined : byId.get(id);
    const complain = (violation: Violation, what: string) =>
      violations[violation].push(
        `${planned.family.upstream} ${id ?? client.key} "${planned.prompt}": ${what}`,
      );

    if (ids.size > 1) complain('duplicate', `one key, ${ids.size} tasks: ${[...ids].join(', ')}`);
    const rows = byPrompt.get(planned.prompt)?.length ?? 0;
    if (rows > 1) complain('duplicate', `${rows} tasks in the database`);
    const jobs = jobsOf.get(planned.prompt) ?? [];
    if (jobs.length > 1)
      complain('duplicate', `${jobs.length} jobs upstream: ${jobs.map((job) => job.id).join(', ')}`);
    const bills = jobs.reduce((sum, job) => sum + job.bills, 0);
    if (bills > 1) complain('duplicate', `billed ${bills} times`);

    for (const what of client.backwards) complain('backwards', what);
    if (client.missing > 0) complain('lost', `${client.missing} answers said that there is no such task`);
    if (id === undefined) {
      complain('lost', client.refused ?? 'never accepted, although it was asked for again and again');
      continue;
    }
    if (!task) {
      complain('lost', 'accepted, and not in the database');
      continue;
    }
    if (task.phase !== 'succeeded' && task.phase !== 'failed') {
      if (
        short &&
        task.phase === 'submitting' &&
        isExcused(task, planned.family.upstream, evidence.faults, true)
      ) {
        lookedFor += 1;
      } else complain('lost', `still ${task.phase}, owned by ${task.owner}`);
      continue;
    }
    if (client.end !== task.phase) {
      complain(
        client.end === undefined ? 'lost' : 'backwards',
        `stored as ${task.phase}, told ${client.end ?? 'nothing'}`,
      );
    }
    judgeEnd(client, task, bills);
    judgeMoney(task, complain);
    if (task.phase === 'succeeded') judgeVideo(client, task, objects, complain);
  }

  function judgeEnd({ planned }: ClientLog, task: TaskRecord, bills: number): void {
    const { upstream } = planned.family;
    const complain = (what: string) =>
      violations.lost.push(
        `${upstream} ${task.id} "${planned.prompt}": ${what} (${task.phase} ${task.reason ?? ''})`,
      );
    if (task.phase === 'succeeded') {
      if (planned.ending !== undefined) complain(`should have failed as ${planned.ending}`);
      if (bills !== 1 && upstream !== BUILT_IN.upstream) complain(`succeeded, billed ${bills} times`);
      return;
    }
    if (task.reason === planned.ending) return;
    if (
      task.reason === 'result_lost' &&
      evidence.faults.some(({ disturbed }) => disturbed.includes(planned.prompt))
    )
      return;
    if (task.reason === 'submission_unknown' && isExcused(task, upstream, evidence.faults, false)) return;
    if (
      task.reason === 'upstream_failed' &&
      upstream === BUILT_IN.upstream &&
      lostItsRenderer(task, evidence.faults)
    )
      return;
    complain(
      planned.ending === undefined ? 'should have succeeded' : `should have failed as ${planned.ending}`,
    );
  }

  return { violations, lookedFor };
}

/** Whether nobody can know what became of the submission: a fault met it, and the upstream has no way to tell (or not yet). */
function isExcused(
  task: TaskRecord,
  upstream: string,
  faults: readonly Fault[],
  searching: boolean,
): boolean {
  if (!searching && !CANNOT_TELL.has(upstream)) return false;
  const { intendedAt } = task;
  if (intendedAt === undefined) return false;
  const breaking = faults.filter(({ kind }) => !BREAKS_NO_REQUEST.has(kind));
  return machineTimes(intendedAt, faults).some((at) => breaking.some((fault) => overlaps(fault, at, at)));
}

/** Whether the task was being made while renderers were killed: one that is killed twice is given up. */
function lostItsRenderer({ intendedAt, endedAt }: TaskRecord, faults: readonly Fault[]): boolean {
  if (intendedAt === undefined || endedAt === undefined) return false;
  const kills = faults.filter(({ kind }) => kind === 'children_killed');
  return machineTimes(intendedAt, faults).some((from) =>
    machineTimes(endedAt, faults).some((until) => kills.some((fault) => overlaps(fault, from, until))),
  );
}

/** What a time of a node's wall clock may have been by the machine's: some nodes' clocks were set. */
const machineTimes = (at: number, faults: readonly Fault[]): readonly number[] => [
  ...new Set(faults.map(({ stepMs }) => at - stepMs).concat(at)),
];

const overlaps = ({ from, until = Number.POSITIVE_INFINITY }: Fault, start: number, end: number): boolean =>
  end >= from - CALL_MS && start <= until;

function judgeMoney(task: TaskRecord, complain: (violation: Violation, what: string) => void): void {
  const { hold = 0, capture = 0, release = 0 } = task.ledger;
  const sums = `hold ${hold}, capture ${capture}, release ${release}`;
  if (hold !== task.holdMicros) complain('imbalance', `${sums}, but ${task.holdMicros} were to be held`);
  if (hold !== capture + release) complain('imbalance', sums);
  const due = task.phase === 'succeeded' ? (task.result?.costMicros ?? Number.NaN) : 0;
  if (capture !== due) complain('imbalance', `${task.phase}, ${sums}, but ${due} were due`);
}

function judgeVideo(
  client: ClientLog,
  task: TaskRecord,
  objects: ReadonlyMap<string, StoredObject>,
  complain: (violation: Violation, what: string) => void,
): void {
  const { result, storageKey } = task;
  if (!result || storageKey === undefined) {
    complain('unreadable', 'succeeded without a video in the database');
    return;
  }
  const object = objects.get(storageKey);
  if (!object) complain('unreadable', `${storageKey} is not in the storage`);
  for (const [where, copy] of [
    ['the storage', object],
    ['the download', client.video],
  ] as const) {
    if (copy && (copy.bytes !== result.bytes || copy.sha256 !== result.sha256)) {
      complain(
        'unreadable',
        `${where} has ${copy.bytes} bytes, ${copy.sha256}; ${result.bytes}, ${result.sha256} were stored`,
      );
    }
  }
  if (!client.video) complain('unreadable', 'its client never got the whole video');
}
