import { move, type Writing } from './lifecycle.ts';
import { type At, type Driver, isTerminal, type Row, type World } from './world.ts';

/** `drive` in `engine/drive.ts`: one loop for each active task, whose passes do the work of the phase that the task is in. */

/** Places at which a pass can be woken: `ActiveTask.wake`, and the signals of a search. */
const WAITS: readonly At[] = ['waiting', 'searching', 'polling', 'pausing', 'stopped'];

/** Begins the next pass, if there is to be one. `token`: the attempt whose intent the last pass has stored; 0 for none. */
export function pass(world: World, driver: Driver, token = 0): void {
  const { guards } = world;
  if (!driver.isCurrent) {
    end(world, driver);
    return;
  }
  const { phase, attempt, isToBeCancelled } = driver.row;
  const held = guards.tokenOfOnePass ? token : token || driver.token;
  Object.assign(driver, { attempt, token: guards.tokenOfOnePass ? 0 : held, job: 0, isFound: false });
  if (isDraining(world, driver) && !(held > 0 && guards.sendsStoredIntent)) driver.at = 'stopped';
  else if (phase === 'accepted' && isToBeCancelled) apply(world, driver, 'cancelling');
  else if (phase === 'accepted') driver.at = 'waiting';
  else if (phase === 'submitting') {
    driver.at = held > 0 || !guards.sendsWithTokenOnly ? 'deciding' : 'searching';
  } else driver.at = 'polling';
}

const isDraining = (world: World, { node }: Driver): boolean => world.nodes[node]?.isDraining === true;

/** An error ends the pass: `failed`. The next one begins after a delay. */
export function fail(world: World, driver: Driver): void {
  driver.at = 'pausing';
  driver.job = 0;
  if (isDraining(world, driver)) pass(world, driver);
}

/** `lookAgain`. */
export function lookAgain(world: World, driver: Driver): void {
  if (world.guards.reloadsWhenNothingMoved) refresh(world, driver);
  if (driver.isCurrent) pass(world, driver);
}

/** `refreshNow` in `engine/transitions.ts`. */
export function refresh(world: World, driver: Driver): void {
  const stored = world.rows[driver.task];
  if (!world.guards.doubtsUntilNewer) driver.isWriteUnknown = false;
  if (!stored || stored.version <= driver.row.version) return;
  driver.isWriteUnknown = false;
  follow(world, driver, stored, { driven: stored.owner === driver.row.owner, asWritten: false });
}

/** `follow` in `engine/transitions.ts`. */
export function follow(
  world: World,
  driver: Driver,
  stored: Row,
  { driven, asWritten }: { driven: boolean; asWritten: boolean },
): void {
  const before = driver.row;
  driver.row = stored;
  if (!driven || isTerminal(stored)) {
    release(world, driver);
    return;
  }
  // `endPhase`, and `wake`.
  const isOver = driver.at === 'searching' && stored.phase !== before.phase;
  const isWoken = !asWritten && (driver.at === 'waiting' || driver.at === 'polling');
  if (world.guards.wakesOnChange && (isOver || isWoken)) pass(world, driver);
}

/** `release`: nothing still in progress is written under this driver's name. */
export function release(world: World, driver: Driver): void {
  driver.isCurrent = false;
  endWait(world, driver);
}

/** Ends the wait that the loop is in, if it is in one. */
export function endWait(world: World, driver: Driver): void {
  if (WAITS.includes(driver.at) && world.guards.endsWaits) pass(world, driver);
}

export function end(world: World, driver: Driver): void {
  world.drivers = world.drivers.filter((other) => other !== driver);
  const { write, job, task, attempt } = driver;
  // A client's cancellation.
  if (write && write.answer === undefined) world.late.push(write.statement);
  const row = world.rows[task];
  if (job !== 0 && row?.phase === 'submitting' && row.attempt === attempt) {
    world.broken ??= `the id of the job of task ${task + 1} was learnt, and is written nowhere`;
  }
}

/** `apply` in `engine/transitions.ts` with `retryUntilWritten`, for the loop. */
export function apply(world: World, driver: Driver, at: Writing): void {
  driver.at = at;
  // `inTurn`: after the write of a client's cancellation.
  if (driver.write) return;
  const to = driver.isCurrent ? move(driver.row, at, driver.job, world.guards) : undefined;
  if (!to) {
    settle(world, driver, false);
    return;
  }
  const { task, row: from } = driver;
  driver.write = { statement: { kind: 'move', task, from, to, isClaim: at === 'confirming' } };
}

/** The end of the pass that `apply` was called in: `has` if it resolved with the task. */
export function settle(world: World, driver: Driver, has: boolean): void {
  const { at } = driver;
  driver.tried = [];
  if (at === 'confirming' && !driver.isCurrent && world.guards.confirmsForTheOwner)
    driver.at = 'confirming for the owner';
  else pass(world, driver, at === 'intending' && has ? driver.row.attempt : 0);
}

/** The loop of a task that becomes active, before its first pass. */
export const newDriver = (node: number, task: number, row: Row, at: At): Driver => ({
  node,
  task,
  isCurrent: true,
  row,
  at,
  attempt: row.attempt,
  token: 0,
  write: undefined,
  isClients: false,
  cancelsIn: undefined,
  tried: [],
  job: 0,
  isFound: false,
  isWriteUnknown: false,
});
