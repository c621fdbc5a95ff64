import { create, isSettled } from './upstream.ts';
import { type Driver, isTerminal, jobOf, type Node, type Row, taskOf, type World } from './world.ts';

import {
  apply,
  confirmForOwner,
  end,
  nameOf,
  newDriver,
  rest,
  type StepOf,
  type Take,
  writing,
} from './writing.ts';

/** `maySend` in `submit`. */
const maySend = (world: World, { node, isCurrent }: Driver): boolean =>
  world.nodes[node]?.lease === 'held' && (isCurrent || !world.guards.fenceAsksForTheTask);

/** The outcome of the call is unknown: `notStarted`. */
function lose(world: World, driver: Driver): void {
  driver.job = 0;
  if (!driver.isCurrent) end(world, driver);
  else driver.at = world.guards.searchFirst ? 'searching' : 'deciding';
}

function refuse(world: World, driver: Driver): void {
  if (driver.isCurrent) apply(world, driver, 'refusing');
  else end(world, driver);
}

/** `release`: nothing still in progress is written under this driver's name. */
export function release(world: World, driver: Driver): void {
  driver.isCurrent = false;
  const isAtRest = ['waiting', 'tracking', 'searching', 'idle'].includes(driver.at) && !driver.write;
  if (isAtRest) end(world, driver);
}

/** `resume` in `cluster/ownership.ts` and in `engine/drive.ts`. */
export function resume(world: World, index: number, task: number, row: Row): void {
  const node = world.nodes[index];
  if (!node || node.isDraining || node.lease !== 'held' || row.owner !== node.name || isTerminal(row)) return;
  if (isDriven(world, index, task)) return;
  const at = { accepted: 'waiting', submitting: 'searching', running: 'tracking' } as const;
  if (row.phase === 'succeeded' || row.phase === 'failed') return;
  world.drivers.push(newDriver(index, task, row, at[row.phase]));
  const driver = world.drivers.at(-1);
  if (!driver) return;
  if (driver.at === 'searching' && !world.guards.searchFirst) driver.at = 'deciding';
  driver.isWriteUnknown = node.perhapsTransferred.includes(task);
  node.perhapsTransferred = node.perhapsTransferred.filter((other) => other !== task);
}

export function driverSteps(world: World, index: number, take: Take): void {
  const driver = world.drivers[index];
  const node = driver && world.nodes[driver.node];
  if (!driver || !node?.isUp) return;
  const { task, at, attempt, isCurrent, row } = driver;
  const who = `${nameOf(driver.node)}, task ${task + 1}`;
  const step = (name: string, kind: 'fair' | 'may fail', change: (next: World, its: Driver) => void) =>
    take(`${who}: ${name}`, kind, (next) => {
      const its = next.drivers[index];
      if (its) change(next, its);
    });

  if (driver.write) {
    writing(world, driver, step);
    return;
  }
  switch (at) {
    case 'waiting':
      if (!isCurrent || node.isDraining) return;
      if (world.guards.intentFirst)
        step('its turn comes; the intent is sent to the store', 'fair', (next, its) =>
          apply(next, its, 'intending'),
        );
      else
        step('its turn comes', 'fair', (_next, its) => {
          its.at = 'deciding';
          its.attempt = row.attempt + 1;
        });
      return;
    case 'deciding':
      // `duplicates.submitting`: waits for searches of this node.
      if (world.drivers.some((other) => other.node === driver.node && isSearch(other))) return;
      if (maySend(world, driver))
        step('decides to send', 'fair', (_next, its) => {
          its.at = 'connecting';
        });
      else if (knowsOfLoss(node, driver)) step('may not send', 'fair', refuse);
      return;
    case 'connecting':
      if (!world.guards.fence || maySend(world, driver))
        step(`sends the creating request of attempt ${attempt}`, 'fair', (_next, its) => {
          its.at = 'sent';
        });
      else if (knowsOfLoss(node, driver)) step('the lease guard lets nothing out', 'fair', refuse);
      return;
    case 'sent':
      onTheWire(world, driver, step);
      return;
    case 'answered':
      step('learns the id', 'fair', (next, its) => apply(next, its, 'confirming'));
      if (world.left.requests > 0)
        step('the answer of the upstream is lost', 'may fail', (next, its) => {
          next.left.requests -= 1;
          lose(next, its);
        });
      return;
    case 'refused':
      step('learns that the upstream refused', 'fair', refuse);
      return;
    case 'confirming for the owner':
      step('reads the task, to write the id for its driver', 'fair', confirmForOwner);
      return;
    case 'searching':
      if (!node.isDraining) search(world, driver, step);
      return;
    case 'tracking':
      if (isCurrent && !node.isDraining && row.phase === 'running')
        step('the upstream has finished; the end is sent to the store', 'fair', (next, its) =>
          apply(next, its, 'finishing'),
        );
  }
  return;
}

/** The creating request, from the moment it was sent. */
function onTheWire(world: World, { task, attempt }: Driver, step: StepOf): void {
  step('the creating request arrives upstream', 'fair', (next, its) => {
    create(next, task, attempt);
    its.at = 'answered';
    its.job = jobOf(task, attempt);
  });
  if (world.left.refusals > 0)
    step('the upstream refuses', 'may fail', (next, its) => {
      next.left.refusals -= 1;
      its.at = 'refused';
    });
  if (world.left.requests > 0) {
    step('the creating request is lost', 'may fail', (next, its) => {
      next.left.requests -= 1;
      lose(next, its);
    });
    step('gives the call up, with the creating request still on its way', 'may fail', (next, its) => {
      next.left.requests -= 1;
      next.late.push({ kind: 'create', task, attempt });
      lose(next, its);
    });
  }
  const [another] = world.jobs.filter((job) => taskOf(job) !== task);
  if (world.left.reusedIds > 0 && another !== undefined)
    step('the upstream answers with the id of another job', 'may fail', (next, its) => {
      next.left.reusedIds -= 1;
      its.at = 'answered';
      its.job = another;
    });
}

/** `engine/recovery/search.ts`: one search of the upstream's list, and its consequences. */
function search(world: World, { task, row, isCurrent }: Driver, step: StepOf): void {
  if (!isCurrent) return;
  if (row.phase !== 'submitting') {
    step('needs not look any more', 'fair', rest);
    return;
  }
  step('looks upstream: it cannot be told', 'fair', (next, its) => apply(next, its, 'giving up'));
  // All tasks of the model look alike: `engine/recovery/duplicateGuard.ts` on this node, `remoteDuplicateGuard.ts` on the others.
  const isAlone = !world.drivers.some((other) => other.task !== task && isSubmitting(world, other));
  if (!isAlone) return;
  const known = new Set(world.rows.map((other) => other?.job));
  const candidates = world.jobs.filter((job) => !known.has(job));
  const mayBeAnothers = world.rows.some((other, place) => place !== task && other?.phase === 'submitting');
  for (const job of mayBeAnothers && world.guards.foundWaits && !isSettled(world, task) ? [] : candidates)
    step(`looks upstream: found the job of task ${taskOf(job) + 1}`, 'fair', (next, its) => {
      its.job = job;
      its.isFound = true;
      apply(next, its, 'confirming');
    });
  if (candidates.length === 0 && (!world.guards.absentWaits || isSettled(world, task)))
    step('looks upstream: certainly absent', 'fair', (next, its) => apply(next, its, 'refusing'));
}

/** A submission that must not confuse a search: from the call to the durable id. */
const isSubmitting = (world: World, driver: Driver): boolean => {
  if (driver.isFound) return false;
  if (driver.at === 'sent') return true;
  return (driver.at === 'deciding' || driver.at === 'connecting') && maySend(world, driver);
};

/** The stage `submitting` waits until the node has noticed that its lease is lost. */
const knowsOfLoss = (node: Node, { isCurrent }: Driver): boolean => !isCurrent || node.lease !== 'over';

const isSearch = ({ at, isFound }: Driver): boolean => isFound && at === 'confirming';

/** Whether a task is active at a node, or about to be, or being transferred. */
export const isDriven = (world: World, node: number, task: number): boolean =>
  world.drivers.some(
    (driver) =>
      driver.node === node && driver.task === task && (driver.isCurrent || driver.at === 'accepting'),
  ) || isTransferring(world, node, task);

function isTransferring(world: World, node: number, task: number): boolean {
  const statement = world.nodes[node]?.asking?.statement;
  return statement?.kind === 'transfer' && statement.task === task;
}
