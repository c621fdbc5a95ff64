import type { Faults, Ledger } from '@onetake/simulators';
import type { PlannedTask } from '../shared/plannedTasks.ts';

/** A task and its last response. */
export interface Outcome {
  readonly planned: PlannedTask;
  readonly id: string;
  // biome-ignore lint/suspicious/noExplicitAny: an answer of the public API
  task: any;
}

interface Row {
  tasks: number;
  succeeded: number;
  asPlanned: number;
  unknown: number;
}

/** Compares every task with what the upstreams' ledger says about its prompt. */
export function judge(
  outcomes: readonly Outcome[],
  ledger: Pick<Ledger, 'jobs' | 'bills' | 'count'>,
  faults: Pick<Faults, 'list'>,
): { wrong: number; report: string } {
  const wrong: string[] = [];
  const rows = new Map<string, Row>();
  let billsOfVideos = 0;
  for (const { planned, id, task } of outcomes) {
    const { upstream } = planned.family;
    const row = rows.get(upstream) ?? { tasks: 0, succeeded: 0, asPlanned: 0, unknown: 0 };
    rows.set(upstream, row);
    row.tasks += 1;
    const jobs = ledger.jobs({ upstream, prompt: planned.prompt });
    const bills = jobs.reduce((sum, job) => sum + job.bills.length, 0);
    const reason: string | undefined = task.error?.reason;
    const complain = (what: string) =>
      wrong.push(`${upstream} ${id} "${planned.prompt}": ${what} (${task.status} ${reason ?? ''})`);

    if (jobs.length > 1) complain(`${jobs.length} jobs upstream`);
    if (bills > planned.family.bills) complain(`billed ${bills} times`);
    if (task.status === 'succeeded') {
      row.succeeded += 1;
      billsOfVideos += bills;
      if (planned.ending !== undefined) complain(`should have failed as ${planned.ending}`);
      if (jobs.length === 0) complain('no job upstream');
      if (bills < planned.family.bills) complain(`billed ${bills} times`);
    } else if (reason === 'submission_unknown') row.unknown += 1;
    else if (bills > 0) complain('a bill without a video');
    else if (isPlanned(planned.ending, reason)) row.asPlanned += 1;
    else
      complain(`should have ${planned.ending === undefined ? 'succeeded' : `failed as ${planned.ending}`}`);
  }
  const upstreams = [...rows].map(([upstream, row]) => {
    const requests = ['submit', 'poll', 'list', 'download'].map(
      (operation) => `${ledger.count({ upstream, operation })} ${operation}`,
    );
    const { tasks, succeeded, asPlanned, unknown } = row;
    return `${upstream.padEnd(10)} ${tasks} tasks: ${succeeded} succeeded, ${asPlanned} failed as they should, ${unknown} of unknown submission; ${requests.join(', ')}; ${ledger.bills({ upstream })} bills`;
  });
  const hits = faults.list().reduce((sum, fault) => sum + fault.hits, 0);
  const total = ledger.count();
  const billed = outcomes.filter(({ planned, task }) => task.status === 'succeeded' && planned.family.bills);
  return {
    wrong: wrong.length,
    report: [
      ...upstreams,
      `faults     ${hits} of ${total} requests met by ${faults.list().length} rules`,
      `bills      ${billsOfVideos} for ${billed.length} videos of upstreams that bill, ${ledger.bills() - billsOfVideos} for lost submissions`,
      ...wrong.slice(0, 50),
      `${outcomes.length - wrong.length} of ${outcomes.length} tasks ended rightly`,
    ].join('\n'),
  };
}

/** A refusal whose body was garbled is still a refusal, but its reason is unknown. */
const isPlanned = (ending: string | undefined, reason: string | undefined): boolean =>
  reason === ending || (ending === 'content_rejected' && reason === 'invalid_request');
