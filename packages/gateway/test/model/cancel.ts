import { isWriting, move, withCancelRequest } from './lifecycle.ts';
import { apply, follow } from './loop.ts';
import { nameOf, type Take } from './steps.ts';
import { type Driver, isTerminal, type World } from './world.ts';

/** Clients that cancel tasks: `createCancellation` at the node that drives the task, `cancelRemotely` at another. */
export function cancelSteps(world: World, take: Take): void {
  if (world.left.cancels === 0) return;
  for (const [place, driver] of world.drivers.entries()) {
    if (!driver.isCurrent || driver.cancelsIn) continue;
    take(`${nameOf(driver.node)}, task ${driver.task + 1}: is asked to cancel it`, 'may fail', (next) => {
      next.left.cancels -= 1;
      const its = next.drivers[place];
      if (!its) return;
      its.cancelsIn = its.row.phase;
      if (!its.write) beginCancellation(next, its);
    });
  }
  for (const [task, row] of world.rows.entries()) {
    const to = row && withCancelRequest(row);
    if (!to) continue;
    take(`a node that does not drive task ${task + 1} stores a cancel request`, 'may fail', (next) => {
      next.left.cancels -= 1;
      next.rows[task] = to;
    });
  }
}

/** The turn of a client's cancellation among the writes of the task: `cancelInPhase`, without retries. */
export function beginCancellation(world: World, driver: Driver): void {
  const { cancelsIn, task, row: from, isCurrent } = driver;
  if (!cancelsIn) return;
  driver.cancelsIn = undefined;
  if (!isCurrent || isTerminal(from)) return;
  // Decided again in the phase that the task has reached.
  const phase = world.guards.cancelsInOnePhase ? from.phase : cancelsIn;
  // In `running`, the upstream has cancelled the job.
  const to =
    phase === 'submitting' ? withCancelRequest(from) : move(from, 'cancelling', driver.job, world.guards);
  if (!to) return;
  driver.cancelsIn = phase;
  driver.isClients = true;
  driver.write = { statement: { kind: 'move', task, from, to, isClaim: false } };
}

/** The answer to a client's cancellation. */
export function cancelled(world: World, driver: Driver): void {
  const { write } = driver;
  if (write?.statement.kind !== 'move') return;
  const { to } = write.statement;
  const isMoved = write.answer === 'written';
  const stored = (isMoved ? to : world.rows[driver.task]) ?? to;
  driver.isWriteUnknown = false;
  const driven = driver.isCurrent && stored.owner === driver.row.owner;
  follow(world, driver, stored, { driven, asWritten: isMoved });
  endTurn(driver);
  if (isMoved) driver.cancelsIn = undefined;
  else beginCancellation(world, driver);
  goOn(world, driver);
}

/** The `catch` of `applyNow`: the client is told. */
export function cancellationUnknown(world: World, driver: Driver): void {
  driver.isWriteUnknown = true;
  driver.cancelsIn = undefined;
  endTurn(driver);
  goOn(world, driver);
}

function endTurn(driver: Driver): void {
  driver.write = undefined;
  driver.isClients = false;
}

/** The write of the loop that has waited for its turn. */
function goOn(world: World, driver: Driver): void {
  if (isWriting(driver.at) && !driver.write) apply(world, driver, driver.at);
}
