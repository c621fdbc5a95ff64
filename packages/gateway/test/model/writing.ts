import { beginCancellation, cancellationUnknown, cancelled } from './cancel.ts';
import { execute } from './database.ts';
import { EVENTS, isWriting } from './lifecycle.ts';
import { apply, end, follow, pass, settle } from './loop.ts';
import type { StepOf } from './steps.ts';
import { type Asking, type Driver, type Row, sameRow, type World } from './world.ts';

/** The writes of a driver, and of a client's cancellation: how the store answers, or does not. */

export function writing(world: World, { write, at, isClients, task }: Driver, step: StepOf): void {
  if (!write) return;
  const what = nameOfWrite(at, isClients, write);
  if (write.answer === undefined) {
    step(`the store carries out: ${what}`, 'fair', (next, its) => {
      if (its.write) its.write = { ...its.write, answer: execute(next, its.write.statement) };
    });
  } else {
    step(`receives the answer of the store: ${what} ${String(write.answer)}`, 'fair', (next, its) => {
      if (isClients) cancelled(next, its);
      else if (at === 'accepting') accepted(next, its);
      else if (at === 'confirming for the owner') confirmedForOwner(next, its);
      else written(next, its);
    });
  }
  // Statements wait for the account's counter in turn. The last of them still sees the task as it was before the first.
  const isLast = !world.late.some((thing) => thing.kind === 'move' && thing.task === task);
  if (world.left.noPlaces > 0 && write.answer === undefined && !isClients && at === 'intending' && isLast)
    step('the store finds no place for the intent', 'may fail', (next, its) => {
      next.left.noPlaces -= 1;
      its.write = { ...write, answer: 'no place' };
    });
  if (world.left.storeAnswers === 0) return;
  const loseAnswer = (next: World, its: Driver): void => {
    next.left.storeAnswers -= 1;
    unanswered(next, its);
  };
  if (write.answer !== undefined) {
    step(`the answer of the store is lost: ${what}`, 'may fail', loseAnswer);
  } else {
    step(`the statement never arrives: ${what}`, 'may fail', loseAnswer);
    step(`no answer in time, and the statement may arrive yet: ${what}`, 'may fail', (next, its) => {
      next.late.push(write.statement);
      loseAnswer(next, its);
    });
  }
}

function nameOfWrite(at: Driver['at'], isClients: boolean, { statement }: Asking): string {
  if (isClients)
    return statement.kind === 'move' && statement.to.phase === 'cancelled'
      ? EVENTS.cancelling
      : 'cancel_requested';
  return isWriting(at) ? EVENTS[at] : at === 'accepting' ? 'acceptance' : 'id';
}

/** The rest of `applyNow`, once the store has answered. */
function written(world: World, driver: Driver): void {
  const { write, at, tried } = driver;
  if (write?.statement.kind !== 'move' || !isWriting(at)) return;
  driver.write = undefined;
  const { to } = write.statement;
  if (write.answer === 'taken') {
    driver.tried = [];
    driver.job = 0;
    beginCancellation(world, driver);
    // `refuseReused`, or a search without a result.
    apply(world, driver, 'giving up');
    return;
  }
  const isRetried = tried.length > 0 && world.guards.readsWithoutPlace;
  if (
    write.answer === 'no place' &&
    !(isRetried && world.rows[driver.task]?.version !== driver.row.version)
  ) {
    driver.isWriteUnknown ||= tried.length > 0;
    beginCancellation(world, driver);
    settle(world, driver, false);
    return;
  }
  const stored = (write.answer === 'written' ? to : world.rows[driver.task]) ?? to;
  const isMoved = write.answer === 'written' || tried.some((row) => isSameWrite(world, stored, row));
  const isOurs = driver.isCurrent;
  const isDriven = isOurs && stored.owner === driver.row.owner;
  driver.isWriteUnknown = false;
  follow(world, driver, stored, { driven: isDriven, asWritten: isMoved });
  if (isMoved || !isDriven) {
    beginCancellation(world, driver);
    settle(world, driver, isMoved && isOurs);
    // Judged again from the stored state.
  } else apply(world, driver, at);
}

/** `isSameWrite` in `engine/transitions.ts`. */
function isSameWrite({ guards }: World, stored: Row, tried: Row): boolean {
  if (stored.version <= tried.version || !guards.recognisesOwnWrite) return sameRow(stored, tried);
  return sameRow({ ...stored, version: tried.version, isToBeCancelled: tried.isToBeCancelled }, tried);
}

/** `recover` in `engine/transitions.ts`: retried for as long as the task is driven. A client's cancellation is not. */
function unanswered(world: World, driver: Driver): void {
  const { write, at, isClients } = driver;
  if (isClients) {
    cancellationUnknown(world, driver);
    return;
  }
  driver.write = undefined;
  // The caller is told to retry; if the task was accepted nevertheless, the search finds it.
  if (at === 'accepting') end(world, driver);
  if (!isWriting(at) || write?.statement.kind !== 'move') return;
  const { to } = write.statement;
  if (at === 'intending' && !world.guards.tokenOfCommittedIntent) {
    driver.row = to;
    pass(world, driver, to.attempt);
    return;
  }
  driver.tried.push(to);
  apply(world, driver, at);
}

/** `accept` in `engine/acceptance.ts`. */
function accepted(world: World, driver: Driver): void {
  const node = world.nodes[driver.node];
  driver.write = undefined;
  driver.isCurrent = node?.isDraining === false && node.lease === 'held' && node.name === driver.row.owner;
  pass(world, driver);
}

/** `confirmForOwner`. */
export function confirmForOwner(world: World, driver: Driver): void {
  const stored = world.rows[driver.task];
  if (stored?.phase !== 'submitting' || stored.attempt !== driver.attempt) {
    end(world, driver);
    return;
  }
  const { task, job } = driver;
  const to: Row = { ...stored, phase: 'running', job, version: stored.version + 1 };
  driver.write = { statement: { kind: 'move', task, from: stored, to, isClaim: true } };
}

function confirmedForOwner(world: World, driver: Driver): void {
  const answer = driver.write?.answer;
  driver.write = undefined;
  if (answer === 'taken') driver.job = 0;
  if (answer !== 'lost') end(world, driver);
}
