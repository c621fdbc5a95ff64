import { execute } from './database.ts';
import type { Guards } from './guards.ts';
import {
  type At,
  type Driver,
  isTerminal,
  type Job,
  jobOf,
  type Node,
  type Row,
  sameRow,
  taskOf,
  type World,
} from './world.ts';

/** Notes a step: what it is called, whether it comes sooner or later where nothing goes wrong, and what it does to a copy of the world. */
export type Take = (name: string, kind: 'fair' | 'may fail', change: (world: World) => void) => void;

/** The event that a driver writes at this place; `LEGAL` of `tasks/lifecycle.ts` below. */
const EVENTS = {
  intending: 'submit_intended',
  confirming: 'submit_confirmed',
  refusing: 'submit_refused',
  'giving up': 'failed',
  finishing: 'succeeded',
} as const satisfies Partial<Record<At, string>>;
type Writing = keyof typeof EVENTS;

/** `move` in `tasks/lifecycle.ts`, with storing and success in one. */
function move(row: Row, at: Writing, job: Job, guards: Guards): Row | undefined {
  const to = (changes: Partial<Row>): Row => ({ ...row, ...changes, version: row.version + 1 });
  switch (EVENTS[at]) {
    case 'submit_intended':
      return row.phase === 'accepted' ? to({ phase: 'submitting', attempt: row.attempt + 1 }) : undefined;
    case 'submit_confirmed':
      if (row.phase === 'accepted' && !guards.intentFirst)
        return to({ phase: 'running', job, attempt: row.attempt + 1 });
      return row.phase === 'submitting' ? to({ phase: 'running', job }) : undefined;
    case 'submit_refused':
      return row.phase === 'submitting' ? to({ phase: 'accepted' }) : undefined;
    case 'failed':
      // `only: 'submitting'`.
      return row.phase === 'submitting' ? to({ phase: 'failed' }) : undefined;
    case 'succeeded':
      return row.phase === 'running' ? to({ phase: 'succeeded' }) : undefined;
  }
}

/** What the drivers of tasks do: `engine/stages/submit.ts`, `engine/activeTasks.ts`, `engine/stages/poll.ts`. */
export function createDrivers(guards: Guards) {
  function end(world: World, driver: Driver): void {
    world.drivers = world.drivers.filter((other) => other !== driver);
    const row = world.rows[driver.task];
    if (driver.job !== 0 && row?.phase === 'submitting' && row.attempt === driver.attempt) {
      world.broken ??= `the id of the job of task ${driver.task + 1} was learnt, and is written nowhere`;
    }
  }

  /** `maySend` in `submit`. */
  const maySend = (world: World, { node, isCurrent }: Driver): boolean =>
    world.nodes[node]?.lease === 'held' && (isCurrent || !guards.fenceAsksForTheTask);

  /** `apply` in `engine/activeTasks.ts`, always with `insist`. */
  function apply(world: World, driver: Driver, at: Writing): void {
    driver.at = at;
    const to = driver.isCurrent ? move(driver.row, at, driver.job, guards) : undefined;
    if (!to) {
      settle(world, driver, false);
      return;
    }
    const { task, row: from } = driver;
    driver.write = { statement: { kind: 'move', task, from, to, isClaim: at === 'confirming' } };
  }

  /** The rest of `applyNow`, once the store has answered. */
  function written(world: World, driver: Driver): void {
    const { write, at, tried } = driver;
    if (write?.statement.kind !== 'move') return;
    driver.write = undefined;
    const { to } = write.statement;
    if (write.answer === 'taken') {
      driver.tried = [];
      driver.job = 0;
      // `refuseReused`, or a search that is none the wiser.
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
      // Judged again on what is stored.
    } else apply(world, driver, at);
  }

  /** What follows from `apply`: `has` where it resolved with the task. */
  function settle(world: World, driver: Driver, has: boolean): void {
    const { at } = driver;
    if (at === 'intending' && has) {
      driver.at = 'deciding';
      driver.attempt = driver.row.attempt;
    } else if (at === 'confirming' && !driver.isCurrent && guards.confirmsForTheOwner)
      driver.at = 'confirming for the owner';
    else if (at === 'refusing' && has) driver.at = 'waiting';
    else rest(world, driver);
  }

  function rest(world: World, driver: Driver): void {
    if (!driver.isCurrent) end(world, driver);
    else driver.at = driver.row.phase === 'running' ? 'tracking' : 'idle';
  }

  /** The outcome of the call is unknown: `notStarted`. */
  function lose(world: World, driver: Driver): void {
    driver.job = 0;
    if (!driver.isCurrent) end(world, driver);
    else driver.at = guards.searchFirst ? 'searching' : 'deciding';
  }

  function refuse(world: World, driver: Driver): void {
    if (driver.isCurrent) apply(world, driver, 'refusing');
    else end(world, driver);
  }

  /** `release`: nothing that is still under way is written in this driver's name. */
  function release(world: World, driver: Driver): void {
    driver.isCurrent = false;
    const isAtRest = ['waiting', 'tracking', 'searching', 'idle'].includes(driver.at) && !driver.write;
    if (isAtRest) end(world, driver);
  }

  /** `resume` in `cluster/ownership.ts`, and `engine/resume.ts`. */
  function resume(world: World, index: number, task: number, row: Row): void {
    const node = world.nodes[index];
    if (!node || node.isDraining || node.lease !== 'held' || row.owner !== node.name || isTerminal(row))
      return;
    if (isDriven(world, index, task)) return;
    const at = { accepted: 'waiting', submitting: 'searching', running: 'tracking' } as const;
    if (row.phase === 'succeeded' || row.phase === 'failed') return;
    world.drivers.push(newDriver(index, task, row, at[row.phase]));
    const driver = world.drivers.at(-1);
    if (!driver) return;
    if (driver.at === 'searching' && !guards.searchFirst) driver.at = 'deciding';
    driver.isWriteUnknown = node.perhapsTransferred.includes(task);
    node.perhapsTransferred = node.perhapsTransferred.filter((other) => other !== task);
  }

  function steps(world: World, index: number, take: Take): void {
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
        if (guards.intentFirst)
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
        if (!guards.fence || maySend(world, driver))
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

  type StepOf = (name: string, kind: 'fair' | 'may fail', change: (next: World, its: Driver) => void) => void;

  function writing(world: World, { write, at }: Driver, step: StepOf): void {
    if (!write) return;
    const what = isWriting(at) ? EVENTS[at] : at === 'accepting' ? 'acceptance' : 'id';
    if (write.answer === undefined) {
      step(`the store carries out: ${what}`, 'fair', (next, its) => {
        if (its.write) its.write = { ...its.write, answer: execute(next, its.write.statement, guards) };
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

  /** The `catch` of `applyNow`: tried again for as long as the task is driven. */
  function unanswered(world: World, driver: Driver): void {
    const { write, at } = driver;
    driver.write = undefined;
    // The caller is told to try again; what was accepted all the same is found by the search.
    if (at === 'accepting') end(world, driver);
    if (!isWriting(at) || write?.statement.kind !== 'move') return;
    driver.tried.push(write.statement.to);
    apply(world, driver, at);
  }

  /** `submit` in `engine/engine.ts`. */
  function accepted(world: World, driver: Driver): void {
    const node = world.nodes[driver.node];
    driver.write = undefined;
    if (node && !node.isDraining && node.lease === 'held' && node.name === driver.row.owner) {
      driver.at = 'waiting';
      driver.isCurrent = true;
    } else end(world, driver);
  }

  /** `confirmForOwner`. */
  function confirmForOwner(world: World, driver: Driver): void {
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

  /** The creating request, from the moment it left. */
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

  /** `reconcile`: one look at the upstream's list, and what follows from it. */
  function search(world: World, { task, row, isCurrent }: Driver, step: StepOf): void {
    if (!isCurrent) return;
    if (row.phase !== 'submitting') {
      step('needs not look any more', 'fair', rest);
      return;
    }
    step('looks upstream: it cannot be told', 'fair', (next, its) => apply(next, its, 'giving up'));
    // All tasks of the model look alike: `recovery/duplicateGuard.ts` on this node, `remoteDuplicateGuard.ts` on the others.
    const isAlone = !world.drivers.some((other) => other.task !== task && isSubmitting(world, other));
    if (!isAlone) return;
    const known = new Set(world.rows.map((other) => other?.job));
    const candidates = world.jobs.filter((job) => !known.has(job));
    const mayBeAnothers = world.rows.some((other, place) => place !== task && other?.phase === 'submitting');
    for (const job of mayBeAnothers && guards.foundWaits && !isSettled(world, task) ? [] : candidates)
      step(`looks upstream: found the job of task ${taskOf(job) + 1}`, 'fair', (next, its) => {
        its.job = job;
        its.isFound = true;
        apply(next, its, 'confirming');
      });
    if (candidates.length === 0 && (!guards.absentWaits || isSettled(world, task)))
      step('looks upstream: certainly absent', 'fair', (next, its) => apply(next, its, 'refusing'));
  }

  /** A submission that a search must not be confused by: from the call to the durable id. */
  const isSubmitting = (world: World, driver: Driver): boolean => {
    if (driver.isFound) return false;
    if (driver.at === 'sent') return true;
    return (driver.at === 'deciding' || driver.at === 'connecting') && maySend(world, driver);
  };

  return { steps, resume, release, end };
}

/** `notSent` waits until the node has learnt that its lease is lost. */
const knowsOfLoss = (node: Node, { isCurrent }: Driver): boolean => !isCurrent || node.lease !== 'over';

const isWriting = (at: At): at is Writing => at in EVENTS;
const isSearch = ({ at, isFound }: Driver): boolean => isFound && at === 'confirming';

/**
 * `SETTLED_MS` in `providers/http/judge.ts`, longer than a call may take and a request may be on its way: nothing of the task is on
 * the wire, and no node that runs is about to send it. A node that is frozen runs no more once its lease is over.
 */
function isSettled(world: World, task: number): boolean {
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
  // Of tasks that ask for the same, one may have taken the job of another: they are counted together.
  else if (world.jobs.length === world.rows.filter((row) => row).length)
    world.broken ??= `attempt ${attempt} of task ${task + 1} makes one more job than there are tasks, and all are paid`;
  world.jobs.push(job);
}

export const nameOf = (node: number): string => `node ${'AB'.charAt(node)}`;

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
