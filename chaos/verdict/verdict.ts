import type { ClientLog } from '../clients/client.ts';
import type { Fault } from '../faults/fault.ts';
import { BREAKS_NO_REQUEST } from '../plan.ts';
import { BUILT_IN } from '../shared/families.ts';
import type { StoredObject } from '../system/children/servers.ts';
import type { UpstreamJob } from '../system/children/upstreams.ts';
import type { TaskRecord } from './records.ts';

/** The results of a run. */
export interface Evidence {
  readonly clients: readonly ClientLog[];
  readonly tasks: readonly TaskRecord[];
  readonly jobs: readonly UpstreamJob[];
  readonly objects: readonly StoredObject[];
  readonly faults: readonly Fault[];
}

/** The kinds of violations, and their words in the report's last line. */
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
  /** Each violation, as text. */
  readonly violations: Readonly<Record<Violation, readonly string[]>>;
  /** Tasks whose lost submission is still being searched for, in a run too short to wait for that. */
  readonly lookedFor: number;
}

/**
 * Upstreams that cannot say for certain that they never received a submission: Gemini and Runway have no list, DashScope's and
 * Ark's lag (docs/providers). OpenAI's list is conclusive, and Kling knows each job by its key.
 */
const CANNOT_TELL: ReadonlySet<string> = new Set(['gemini', 'runway', 'dashscope', 'ark']);
/** A call that a fault hits began at most this long before: the nodes' own timeout, and a little more. Milliseconds. */
const CALL_MS = 6_000;

/** Records a violation of one client's task, as text. */
type Complain = (violation: Violation, what: string) => void;

/** The results of a run, indexed. */
interface Index {
  readonly tasks: ReadonlyMap<string, TaskRecord>;
  readonly tasksOf: ReadonlyMap<string, readonly TaskRecord[]>;
  readonly jobsOf: ReadonlyMap<string, readonly UpstreamJob[]>;
  readonly objects: ReadonlyMap<string, StoredObject>;
  readonly faults: readonly Fault[];
}

/** Compares the clients' records, the database, the upstreams' own books and the storage. */
export function judge(evidence: Evidence, { short }: { readonly short: boolean }): Verdict {
  const violations: Record<Violation, string[]> = {
    lost: [],
    duplicate: [],
    imbalance: [],
    unreadable: [],
    backwards: [],
  };
  const index: Index = {
    tasks: new Map(evidence.tasks.map((task) => [task.id, task])),
    tasksOf: Map.groupBy(evidence.tasks, ({ prompt }) => prompt),
    jobsOf: Map.groupBy(evidence.jobs, ({ prompt }) => prompt),
    objects: new Map(evidence.objects.map((object) => [object.key, object])),
    faults: evidence.faults,
  };
  let lookedFor = 0;

  for (const client of evidence.clients) {
    const { planned, ids } = client;
    const [id] = ids;
    const complain: Complain = (violation, what) =>
      violations[violation].push(
        `${planned.family.upstream} ${id ?? client.key} "${planned.prompt}": ${what}`,
      );
    judgeUniqueness(client, index, complain);
    for (const what of client.backwards) complain('backwards', what);
    if (client.missing > 0) complain('lost', `${client.missing} answers said that there is no such task`);
    if (id === undefined) {
      complain('lost', client.refused ?? 'never accepted, although it was asked for again and again');
      continue;
    }
    const task = index.tasks.get(id);
    if (!task) complain('lost', 'accepted, and not in the database');
    else if (short && isSearched(task, index.faults)) lookedFor += 1;
    else judgeTask(client, task, index, complain);
  }
  return { violations, lookedFor };
}

/** One key, one task; one task, one job and one bill. */
function judgeUniqueness({ planned: { prompt }, ids }: ClientLog, index: Index, complain: Complain): void {
  if (ids.size > 1) complain('duplicate', `one key, ${ids.size} tasks: ${[...ids].join(', ')}`);
  const rows = index.tasksOf.get(prompt)?.length ?? 0;
  if (rows > 1) complain('duplicate', `${rows} tasks in the database`);
  const jobs = index.jobsOf.get(prompt) ?? [];
  if (jobs.length > 1)
    complain('duplicate', `${jobs.length} jobs upstream: ${jobs.map((job) => job.id).join(', ')}`);
  const bills = billsOf(jobs);
  if (bills > 1) complain('duplicate', `billed ${bills} times`);
}

const billsOf = (jobs: readonly UpstreamJob[]): number => jobs.reduce((sum, job) => sum + job.bills, 0);

/** A task that is in the database. */
function judgeTask(client: ClientLog, task: TaskRecord, index: Index, complain: Complain): void {
  if (task.phase === 'storing' && isDisturbed(client.planned.prompt, index.faults)) return;
  if (task.phase !== 'succeeded' && task.phase !== 'failed') {
    complain('lost', `still ${task.phase}, owned by ${task.owner}`);
    return;
  }
  if (client.end !== task.phase) {
    complain(
      client.end === undefined ? 'lost' : 'backwards',
      `stored as ${task.phase}, told ${client.end ?? 'nothing'}`,
    );
  }
  judgeEnd(client, task, index, (what) => complain('lost', `${what} (${task.phase} ${task.reason ?? ''})`));
  judgeMoney(task, complain);
  if (task.phase === 'succeeded') judgeVideo(client, task, index.objects, complain);
}

/** Whether a task ended as planned, or with an excuse from a fault. */
function judgeEnd(
  { planned }: ClientLog,
  task: TaskRecord,
  { jobsOf, faults }: Index,
  complain: (what: string) => void,
): void {
  const { upstream } = planned.family;
  if (task.phase === 'succeeded') {
    const bills = billsOf(jobsOf.get(planned.prompt) ?? []);
    if (planned.ending !== undefined) complain(`should have failed as ${planned.ending}`);
    if (bills !== 1 && upstream !== BUILT_IN.upstream) complain(`succeeded, billed ${bills} times`);
    return;
  }
  if (task.reason === planned.ending || isExcused(task, upstream, planned.prompt, faults)) return;
  complain(
    planned.ending === undefined ? 'should have succeeded' : `should have failed as ${planned.ending}`,
  );
}

/** Whether a fault explains why a task failed. */
function isExcused(task: TaskRecord, upstream: string, prompt: string, faults: readonly Fault[]): boolean {
  switch (task.reason) {
    case 'submission_unknown':
      return CANNOT_TELL.has(upstream) && isLostSubmission(task, faults);
    case 'result_lost':
      return isDisturbed(prompt, faults);
    case 'upstream_failed':
      return upstream === BUILT_IN.upstream && lostItsRenderer(task, faults);
    default:
      return false;
  }
}

/** Whether the upstream deleted the result while the node that had fetched it may have lost the task. It is lost, or still tried for. */
const isDisturbed = (prompt: string, faults: readonly Fault[]): boolean =>
  faults.some(({ disturbed }) => disturbed.includes(prompt));

/** Whether a submission that a fault hit is still being searched for upstream. */
const isSearched = (task: TaskRecord, faults: readonly Fault[]): boolean =>
  task.phase === 'submitting' && isLostSubmission(task, faults);

/** Whether a fault hit the submission, so that its outcome is unknown without a search. */
function isLostSubmission({ intendedAt }: TaskRecord, faults: readonly Fault[]): boolean {
  if (intendedAt === undefined) return false;
  const breaking = faults.filter(({ kind }) => !BREAKS_NO_REQUEST.has(kind));
  return breaking.some((fault) => overlaps(fault, intendedAt, intendedAt));
}

/** Whether the task was being made while renderers were killed: one that is killed twice is given up. */
function lostItsRenderer({ intendedAt, endedAt }: TaskRecord, faults: readonly Fault[]): boolean {
  if (intendedAt === undefined || endedAt === undefined) return false;
  const kills = faults.filter(({ kind }) => kind === 'children_killed');
  return kills.some((fault) => overlaps(fault, intendedAt, endedAt));
}

const overlaps = ({ from, until = Number.POSITIVE_INFINITY }: Fault, start: number, end: number): boolean =>
  end >= from - CALL_MS && start <= until;

function judgeMoney(task: TaskRecord, complain: Complain): void {
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
  complain: Complain,
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
