import type { ClientLog } from '../clients/client.ts';
import type { Fault } from '../faults/faults.ts';
import type { StoredObject } from '../system/children/servers.ts';
import type { UpstreamJob } from '../system/children/upstreams.ts';
import type { TaskRecord } from './records.ts';

/** What a run left behind. */
export interface Remains {
  readonly clients: readonly ClientLog[];
  readonly tasks: readonly TaskRecord[];
  readonly jobs: readonly UpstreamJob[];
  readonly objects: readonly StoredObject[];
  readonly faults: readonly Fault[];
}

export const WRONGS = ['lost', 'twice', 'drift', 'unreadable', 'backwards'] as const;
export type Wrong = (typeof WRONGS)[number];

export interface Verdict {
  /** Each wrong, in words. */
  readonly wrongs: Readonly<Record<Wrong, readonly string[]>>;
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
export function judge(remains: Remains, { short }: { readonly short: boolean }): Verdict {
  const wrongs: Record<Wrong, string[]> = { lost: [], twice: [], drift: [], unreadable: [], backwards: [] };
  const byId = new Map(remains.tasks.map((task) => [task.id, task]));
  const byPrompt = Map.groupBy(remains.tasks, ({ prompt }) => prompt);
  const jobsOf = Map.groupBy(remains.jobs, ({ prompt }) => prompt);
  const objects = new Map(remains.objects.map((object) => [object.key, object]));
  let lookedFor = 0;

  for (const client of remains.clients) {
    const { planned, ids } = client;
    const [id] = ids;
    const task = id === undefined ? undefined : byId.get(id);
    const complain = (wrong: Wrong, what: string) =>
      wrongs[wrong].push(`${planned.family.upstream} ${id ?? client.key} "${planned.prompt}": ${what}`);

    if (ids.size > 1) complain('twice', `one key, ${ids.size} tasks: ${[...ids].join(', ')}`);
    const rows = byPrompt.get(planned.prompt)?.length ?? 0;
    if (rows > 1) complain('twice', `${rows} tasks in the database`);
    const jobs = jobsOf.get(planned.prompt) ?? [];
    if (jobs.length > 1)
      complain('twice', `${jobs.length} jobs upstream: ${jobs.map((job) => job.id).join(', ')}`);
    const bills = jobs.reduce((sum, job) => sum + job.bills, 0);
    if (bills > 1) complain('twice', `billed ${bills} times`);

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
        isExcused(task, planned.family.upstream, remains.faults, true)
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
      wrongs.lost.push(
        `${upstream} ${task.id} "${planned.prompt}": ${what} (${task.phase} ${task.reason ?? ''})`,
      );
    if (task.phase === 'succeeded') {
      if (planned.ending !== undefined) complain(`should have failed as ${planned.ending}`);
      if (bills !== 1) complain(`succeeded, billed ${bills} times`);
      return;
    }
    if (task.reason === planned.ending) return;
    if (task.reason === 'submission_unknown' && isExcused(task, upstream, remains.faults, false)) return;
    complain(
      planned.ending === undefined ? 'should have succeeded' : `should have failed as ${planned.ending}`,
    );
  }

  return { wrongs, lookedFor };
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
  return faults.some(
    ({ kind, from, until = Number.POSITIVE_INFINITY }) =>
      kind !== 'storage_away' && intendedAt >= from - CALL_MS && intendedAt <= until,
  );
}

function judgeMoney(task: TaskRecord, complain: (wrong: Wrong, what: string) => void): void {
  const { hold = 0, capture = 0, release = 0 } = task.ledger;
  const sums = `hold ${hold}, capture ${capture}, release ${release}`;
  if (hold !== task.holdMicros) complain('drift', `${sums}, but ${task.holdMicros} were to be held`);
  if (hold !== capture + release) complain('drift', sums);
  const due = task.phase === 'succeeded' ? (task.result?.costMicros ?? Number.NaN) : 0;
  if (capture !== due) complain('drift', `${task.phase}, ${sums}, but ${due} were due`);
}

function judgeVideo(
  client: ClientLog,
  task: TaskRecord,
  objects: ReadonlyMap<string, StoredObject>,
  complain: (wrong: Wrong, what: string) => void,
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
