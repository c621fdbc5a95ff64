import { jobOf, type World } from './world.ts';

/**
 * `SETTLED_MS` in `providers/search/judge.ts`, longer than a call and the delivery of a request may take: nothing of the task is on
 * the wire, and no running node is about to send it. A frozen node does not continue once its lease has ended.
 */
export function isSettled(world: World, task: number): boolean {
  const isOnTheWay = world.late.some((thing) => thing.kind === 'create' && thing.task === task);
  return (
    !isOnTheWay &&
    !world.drivers.some((driver) => {
      if (driver.task !== task) return false;
      if (driver.at === 'sent') return true;
      const isAboutTo = driver.at === 'deciding' || driver.at === 'connecting';
      return isAboutTo && world.nodes[driver.node]?.lease === 'held';
    })
  );
}

/** A creating request reaches the upstream. */
export function create(world: World, task: number, attempt: number): void {
  const job = jobOf(task, attempt);
  if (world.jobs.includes(job))
    world.broken ??= `attempt ${attempt} of task ${task + 1} reached the upstream twice`;
  else if (world.jobs.length === mayHaveJobs(world))
    world.broken ??= `attempt ${attempt} of task ${task + 1} makes one more job than there are tasks, and all are paid`;
  world.jobs.push(job);
}

/**
 * The tasks that may have a job. Of similar tasks, one may have taken the job of another: they are counted together. A task that was
 * cancelled before it had a job has none.
 */
export const mayHaveJobs = ({ rows }: World): number =>
  rows.filter((row) => row && (row.phase !== 'cancelled' || row.job > 0)).length;
