import { execute } from './database.ts';
import { type At, type Driver, isTerminal, type Row, sameRow, type World } from './world.ts';

/** Records a step: its name, whether it happens sooner or later if nothing fails, and its effect on a copy of the world. */
export type Take = (name: string, kind: 'fair' | 'may fail', change: (world: World) => void) => void;

import { EVENTS, isWriting, move, type Writing } from './lifecycle.ts';

export function end(world: World, driver: Driver): void {
  world.drivers = world.drivers.filter((other) => other !== driver);
  const row = world.rows[driver.task];
  if (driver.job !== 0 && row?.phase === 'submitting' && row.attempt === driver.attempt) {
    world.broken ??= `the id of the job of task ${driver.task + 1} was learnt, and is written nowhere`;
  }
}

/** `apply` in `engine/transitions.ts`, always with `retryUntilWritten`. */
export function apply(world: World, driver: Driver, at: Writing): void {
  driver.at = at;
  const to = driver.isCurrent ? move(driver.row, at, driver.job, world.guards) : undefined;
  if (!to) {
    settle(world, driver, false);
    return;
  }
  const { task, row: from } = driver;
  driver.write = { statement: { kind: 'move', task, from, to, isClaim: at === 'confirming' } };
}

/** The rest of `applyNow`, once the store has answered. */
export function written(world: World, driver: Driver): void {
  const { write, at, tried } = driver;
  if (write?.statement.kind !== 'move') return;
  driver.write = undefined;
  const { to } = write.statement;
  if (write.answer === 'taken') {
    driver.tried = [];
    driver.job = 0;
    // `refuseReused`, or a search without a result.
    apply(world, driver, 'giving up');
    return;
  }
  const stored = (write.answer === 'written' ? to : world.rows[driver.task]) ?? to;
  const isMoved = write.answer === 'written' || tried.some((row) => sameRow(row, stored));
  const isOurs = driver.isCurrent;
  const isDriven = isOurs && stored.owner === driver.row.owner;
  driver.row = stored;
  driver.isWriteUnknown = false;
  if (!isDriven || isTerminal(stored)) driver.isCurrent = false;
  if (isMoved || !isDriven || !isWriting(at)) {
    driver.tried = [];
    settle(world, driver, isMoved && isOurs);
    // Judged again from the stored state.
  } else apply(world, driver, at);
}

/** The consequences of `apply`: `has` if it resolved with the task. */
export function settle(world: World, driver: Driver, has: boolean): void {
  const { at } = driver;
  if (at === 'intending' && has) {
    driver.at = 'deciding';
    driver.attempt = driver.row.attempt;
  } else if (at === 'confirming' && !driver.isCurrent && world.guards.confirmsForTheOwner)
    driver.at = 'confirming for the owner';
  else if (at === 'refusing' && has) driver.at = 'waiting';
  else rest(world, driver);
}

export function rest(world: World, driver: Driver): void {
  if (!driver.isCurrent) end(world, driver);
  else driver.at = driver.row.phase === 'running' ? 'tracking' : 'idle';
}

export type StepOf = (
  name: string,
  kind: 'fair' | 'may fail',
  change: (next: World, its: Driver) => void,
) => void;

export function writing(world: World, { write, at }: Driver, step: StepOf): void {
  if (!write) return;
  const what = isWriting(at) ? EVENTS[at] : at === 'accepting' ? 'acceptance' : 'id';
  if (write.answer === undefined) {
    step(`the store carries out: ${what}`, 'fair', (next, its) => {
      if (its.write) its.write = { ...its.write, answer: execute(next, its.write.statement) };
    });
  } else {
    step(`receives the answer of the store: ${what} ${String(write.answer)}`, 'fair', (next, its) => {
      if (at === 'accepting') accepted(next, its);
      else if (at === 'confirming for the owner') confirmedForOwner(next, its);
      else written(next, its);
    });
  }
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

/** The `catch` of `applyNow`: retried for as long as the task is driven. */
export function unanswered(world: World, driver: Driver): void {
  const { write, at } = driver;
  driver.write = undefined;
  // The caller is told to retry; if the task was accepted nevertheless, the search finds it.
  if (at === 'accepting') end(world, driver);
  if (!isWriting(at) || write?.statement.kind !== 'move') return;
  driver.tried.push(write.statement.to);
  apply(world, driver, at);
}

/** `submit` in `engine/engine.ts`. */
export function accepted(world: World, driver: Driver): void {
  const node = world.nodes[driver.node];
  driver.write = undefined;
  if (node && !node.isDraining && node.lease === 'held' && node.name === driver.row.owner) {
    driver.at = 'waiting';
    driver.isCurrent = true;
  } else end(world, driver);
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

export function confirmedForOwner(world: World, driver: Driver): void {
  const answer = driver.write?.answer;
  driver.write = undefined;
  if (answer === 'taken') driver.job = 0;
  if (answer !== 'lost') end(world, driver);
}

export const nameOf = (node: number): string => `node ${'AB'.charAt(node)}`;

export const newDriver = (node: number, task: number, row: Row, at: At): Driver => ({
  node,
  task,
  isCurrent: true,
  row,
  at,
  attempt: row.attempt,
  write: undefined,
  tried: [],
  job: 0,
  isFound: false,
  isWriteUnknown: false,
});
