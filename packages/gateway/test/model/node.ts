import { execute } from './database.ts';
import { isDriven, resume } from './driver.ts';
import { endWait, newDriver, refresh, release } from './loop.ts';
import { nameOf, type Take } from './steps.ts';
import { type Driver, isTerminal, type Node, type Row, type World } from './world.ts';

/** What a node does besides driving: `cluster/ownership.ts`, `cluster/postgres/lease.ts`, `cluster/postgres/cluster.ts`. */
type StepOf = (name: string, kind: 'fair' | 'may fail', change: (next: World, its: Node) => void) => void;

export function nodeSteps(world: World, index: number, take: Take): void {
  const node = world.nodes[index];
  if (!node) return;
  const step: StepOf = (name, kind, change) =>
    take(`${nameOf(index)}: ${name}`, kind, (next) => {
      const its = next.nodes[index];
      if (its) change(next, its);
    });
  if (!node.isUp) {
    step('starts anew', 'fair', (next, its) => {
      its.isUp = true;
      join(next, its);
    });
    return;
  }
  session(world, index, node, step);
  receives(world, index, node, step);
  hints(world, index, step);
  if (node.asking) answers(world, index, node, step);
  if (node.lease !== 'held') return;
  accepts(world, index, node, step);
  if (node.asking) return;
  adopts(world, node, step);
  searches(world, index, node, step);
  transfers(world, index, node, step);
}

function join(world: World, node: Node): void {
  world.lastName += 1;
  world.locked.push(world.lastName);
  node.name = world.lastName;
  node.lease = 'held';
}

function session(world: World, index: number, node: Node, step: StepOf): void {
  const { left } = world;
  if (left.crashes > 0)
    step('dies', 'may fail', (next) => {
      next.left.crashes -= 1;
      die(next, index);
    });
  if (node.isDraining) drain(world, index, node, step);
  else if (left.drains > 0)
    step('is told to drain', 'may fail', (next, its) => {
      next.left.drains -= 1;
      its.isDraining = true;
      for (const driver of next.drivers.filter((one) => one.node === index)) endWait(next, driver);
    });
  if (node.lease === 'held' && left.losses > 0)
    step('its lease is over, by its own watch', 'may fail', (next, its) => {
      next.left.losses -= 1;
      its.lease = 'over';
    });
  // A frozen process notices when it wakes: any step of its drivers may come before.
  if (node.lease === 'over')
    step('learns that its lease is lost, and releases everything', 'fair', (next, its) => {
      its.lease = 'none';
      its.perhapsTransferred = [];
      for (const driver of next.drivers.filter((one) => one.node === index && one.isCurrent))
        release(next, driver);
    });
  if (node.lease === 'none') step('joins again', 'fair', join);
}

/** `drain` in `engine/engine.ts`. */
function drain(world: World, index: number, { isSettled }: Node, step: StepOf): void {
  if (isSettled) {
    step('has drained, and exits', 'fair', (next) => die(next, index));
    return;
  }
  const settle = (_next: World, its: Node) => {
    its.isSettled = true;
  };
  const atWork = world.drivers.some(
    ({ node, at, write }) => node === index && (at !== 'stopped' || write !== undefined),
  );
  if (!atWork) step('its work has ended', 'fair', settle);
  else if (world.left.timeouts > 0)
    step('its drain times out', 'may fail', (next, its) => {
      next.left.timeouts -= 1;
      settle(next, its);
    });
}

/** What it has sent is still on its way. */
function die(world: World, index: number): void {
  const node = world.nodes[index];
  if (!node) return;
  for (const { at, task, attempt, write } of world.drivers.filter((driver) => driver.node === index)) {
    if (at === 'sent') world.late.push({ kind: 'create', task, attempt });
    if (write && write.answer === undefined) world.late.push(write.statement);
  }
  if (node.asking && node.asking.answer === undefined) world.late.push(node.asking.statement);
  world.drivers = world.drivers.filter((driver) => driver.node !== index);
  Object.assign(node, {
    isUp: false,
    name: 0,
    lease: 'none',
    isDraining: false,
    isSettled: false,
    asking: undefined,
    inbox: [],
    perhapsTransferred: [],
  });
}

function accepts(world: World, index: number, node: Node, step: StepOf): void {
  const task = world.rows.findIndex((row) => !row);
  const isUnderWay =
    world.drivers.some((driver) => driver.task === task && driver.at === 'accepting') ||
    world.late.some((thing) => thing.kind === 'accept' && thing.task === task);
  if (task < 0 || isUnderWay || node.isDraining) return;
  const row: Row = {
    phase: 'accepted',
    version: 1,
    owner: node.name,
    attempt: 0,
    job: 0,
    isToBeCancelled: false,
  };
  step(`is asked for task ${task + 1}; it is sent to the store`, 'may fail', (next) => {
    next.drivers.push({
      ...newDriver(index, task, row, 'accepting'),
      isCurrent: false,
      write: { statement: { kind: 'accept', task, row } },
    });
  });
}

/** `adopt` in `cluster/adoption.ts`. */
function adopts(world: World, { isDraining, name }: Node, step: StepOf): void {
  const hasOrphans = world.rows.some(
    (row) =>
      row &&
      !isTerminal(row) &&
      row.owner !== name &&
      (!world.guards.adoptsOfTheDeadAlone || !world.locked.includes(row.owner)),
  );
  if (!world.guards.adopts || isDraining || !hasOrphans) return;
  step('asks the store for tasks of dead nodes', 'fair', (_next, its) => {
    its.asking = { statement: { kind: 'adopt', name } };
  });
}

/** `isTransferable` in `engine/drive.ts`. */
function isMovable({ isSettled }: Node, { row, write }: Driver): boolean {
  if (write) return false;
  return isSettled || row.phase === 'accepted' || (row.phase === 'running' && !row.isToBeCancelled);
}

/** `transferTo` in `cluster/transfers.ts`, of what is movable, and `transferRest` in `cluster/handover.ts`. */
function transfers(world: World, index: number, node: Node, step: StepOf): void {
  const { isDraining, name } = node;
  const to = world.nodes.find((other, place) => place !== index && world.locked.includes(other.name))?.name;
  if (to === undefined || (!isDraining && world.left.transfers === 0)) return;
  for (const [task, row] of world.rows.entries()) {
    const driver = world.drivers.find((one) => one.node === index && one.task === task && one.isCurrent);
    const isRest = isDraining && row?.owner === name && !isTerminal(row) && !isDriven(world, index, task);
    if (!(driver && isMovable(node, driver)) && !isRest) continue;
    const version = driver?.row.version ?? row?.version ?? 0;
    step(
      `releases task ${task + 1}, to transfer it to the other node`,
      isDraining ? 'fair' : 'may fail',
      (next, its) => {
        if (!isDraining) next.left.transfers -= 1;
        its.asking = { statement: { kind: 'transfer', task, from: name, to, version } };
        const going = next.drivers.find((one) => one.node === index && one.task === task && one.isCurrent);
        if (going) release(next, going);
      },
    );
  }
}

function answers(world: World, index: number, { asking }: Node, step: StepOf): void {
  if (!asking) return;
  const { statement } = asking;
  const what = {
    adopt: 'the adoption',
    transfer: 'the transfer',
    read: 'the reading',
    accept: '',
    move: '',
  }[statement.kind];
  if (asking.answer === undefined) {
    step(`the store carries out ${what}`, 'fair', (next, its) => {
      its.asking = { ...asking, answer: execute(next, asking.statement) };
    });
  } else {
    step(`receives the answer of the store: ${what}`, 'fair', (next, its) => {
      its.asking = undefined;
      if (typeof asking.answer === 'object')
        for (const { task, row } of asking.answer) if (row) resume(next, index, task, row);
      // Tasks that could not be transferred are driven on, in their stored state.
      if (asking.answer === 'lost' && statement.kind === 'transfer')
        its.asking = { statement: { kind: 'read', task: statement.task } };
    });
  }
  if (world.left.storeAnswers === 0) return;
  step(`the answer of the store is lost: ${what}`, 'may fail', (next, its) => {
    next.left.storeAnswers -= 1;
    if (asking.answer === undefined) next.late.push(statement);
    if (statement.kind === 'transfer') its.perhapsTransferred.push(statement.task);
    its.asking = undefined;
  });
}

/** `search` in `cluster/adoption.ts`. */
function searches(world: World, index: number, { isDraining, name, inbox }: Node, step: StepOf): void {
  if (!world.guards.searchesOwned || isDraining) return;
  for (const [task, row] of world.rows.entries()) {
    if (!row || row.owner !== name || isTerminal(row) || isDriven(world, index, task)) continue;
    if (inbox.some((received) => received.task === task && received.row)) continue;
    step(`finds task ${task + 1}, which it owns and does not drive, and reads it`, 'fair', (_next, its) => {
      its.asking = { statement: { kind: 'read', task } };
    });
  }
}

/** `receive` in `cluster/ownership.ts`, in parallel with everything else. */
function receives(world: World, index: number, { inbox, name, asking }: Node, step: StepOf): void {
  const [received] = inbox;
  if (!received) return;
  const { task, to, row } = received;
  if (row) {
    step(`looks at task ${task + 1}, as it was read`, 'fair', (next, its) => {
      its.inbox.shift();
      resume(next, index, task, row);
    });
    return;
  }
  const { statement } = asking ?? {};
  const isOnTheWay = statement?.kind === 'adopt' || (statement?.kind === 'read' && statement.task === task);
  if (to === name && !isOnTheWay && !isDriven(world, index, task))
    step(
      `receives the message that task ${task + 1} was transferred to it, and reads it`,
      'may fail',
      (_next, its) => {
        its.inbox[0] = { task, to, row: world.rows[task] };
      },
    );
  step(
    `never receives the message that task ${task + 1} was transferred to it`,
    'may fail',
    (_next, its) => void its.inbox.shift(),
  );
}

/** `refresh` in `engine/signals.ts`: writes of other nodes are broadcast, and received sooner or later or not at all. */
function hints(world: World, index: number, step: StepOf): void {
  for (const [place, driver] of world.drivers.entries()) {
    const row = world.rows[driver.task];
    if (driver.node !== index || !driver.isCurrent || driver.write || !row) continue;
    if (row.version <= driver.row.version) continue;
    step(
      `receives the message that task ${driver.task + 1} was moved by another node`,
      'may fail',
      (next) => {
        const its = next.drivers[place];
        if (its) refresh(next, its);
      },
    );
  }
}
