import { apply, end, fail, lookAgain, newDriver, pass } from './loop.ts';
import { nameOf, type StepOf, type Take } from './steps.ts';
import { create, isSettled } from './upstream.ts';
import { type Driver, isTerminal, jobOf, type Node, type Row, taskOf, type World } from './world.ts';
import { confirmForOwner, writing } from './writing.ts';

/** `maySend` in `engine/stages/submit.ts`. */
const maySend = (world: World, { node, isCurrent }: Driver): boolean =>
  world.nodes[node]?.lease === 'held' && (isCurrent || !world.guards.fenceAsksForTheTask);

/** The outcome of the call is unknown: `notStarted`. The pass goes on with a search, unless the node stops. */
function lose(world: World, driver: Driver): void {
  driver.job = 0;
  if (!driver.isCurrent) end(world, driver);
  else if (!world.guards.searchFirst) driver.at = 'deciding';
  else if (world.nodes[driver.node]?.isDraining) pass(world, driver);
  else driver.at = 'searching';
}

function refuse(world: World, driver: Driver): void {
  if (driver.isCurrent) apply(world, driver, 'refusing');
  else end(world, driver);
}

/** `resume` in `cluster/ownership.ts` and in `engine/drive.ts`. */
export function resume(world: World, index: number, task: number, row: Row): void {
  const node = world.nodes[index];
  if (!node || node.isDraining || node.lease !== 'held' || row.owner !== node.name || isTerminal(row)) return;
  if (isDriven(world, index, task)) return;
  const driver = newDriver(index, task, row, 'pausing');
  driver.isWriteUnknown = node.perhapsTransferred.includes(task);
  node.perhapsTransferred = node.perhapsTransferred.filter((other) => other !== task);
  world.drivers.push(driver);
  pass(world, driver);
}

export function driverSteps(world: World, index: number, take: Take): void {
  const driver = world.drivers[index];
  const node = driver && world.nodes[driver.node];
  if (!driver || !node?.isUp) return;
  const who = `${nameOf(driver.node)}, task ${driver.task + 1}`;
  const step: StepOf = (name, kind, change) =>
    take(`${who}: ${name}`, kind, (next) => {
      const its = next.drivers[index];
      if (its) change(next, its);
    });

  if (driver.write) writing(world, driver, step);
  // Beside the write of a client's cancellation, the loop goes on.
  if (driver.write && !driver.isClients) return;
  if (world.left.errors > 0 && driver.isCurrent && MAY_FAIL.includes(driver.at))
    step('an error ends the pass', 'may fail', (next, its) => {
      next.left.errors -= 1;
      fail(next, its);
    });
  passSteps(world, driver, node, step);
}

/** Where an error can end a pass. A call that fails is an outcome of its own. */
const MAY_FAIL: readonly Driver['at'][] = ['waiting', 'deciding', 'answered', 'searching', 'polling'];

/** The steps of the pass that the loop is in, or between two passes. */
function passSteps(world: World, driver: Driver, node: Node, step: StepOf): void {
  const { at, attempt, isCurrent, row } = driver;
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
      search(world, driver, step);
      return;
    case 'polling':
      if (!isCurrent || node.isDraining) return;
      step('the upstream has finished; the end is sent to the store', 'fair', (next, its) =>
        apply(next, its, 'finishing'),
      );
      if (row.isToBeCancelled)
        step('the upstream has cancelled; the end is sent to the store', 'fair', (next, its) =>
          apply(next, its, 'cancelling'),
        );
      return;
    case 'pausing':
      if (isCurrent && !driver.write) step('looks at the task again', 'fair', lookAgain);
  }
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
function search(world: World, { node, task, isCurrent }: Driver, step: StepOf): void {
  if (!isCurrent || world.nodes[node]?.isDraining) return;
  step('looks upstream: it cannot be told', 'fair', (next, its) => apply(next, its, 'giving up'));
  // All tasks of the model look alike: `DuplicateGuard` on this node, `RemoteDuplicateGuard` for the others.
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

/** The stage `submitting` waits until the node has noticed that its lease is lost, or stops. */
const knowsOfLoss = (node: Node, { isCurrent }: Driver): boolean =>
  !isCurrent || node.lease !== 'over' || node.isDraining;

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
