import { cancelSteps } from './cancel.ts';
import { execute, mayStillWrite } from './database.ts';
import { driverSteps } from './driver.ts';
import type { Model, Step } from './explorer.ts';
import { ALL_GUARDS, type Guards } from './guards.ts';
import { nodeSteps } from './node.ts';
import { nameOf, type Take } from './steps.ts';
import { create, mayHaveJobs } from './upstream.ts';
import { type Budget, copy, isTerminal, keyOf, type Node, type World } from './world.ts';

interface Options {
  readonly tasks: number;
  /** The possible faults, each at any moment. */
  readonly faults: Partial<Budget>;
  /** Guards to remove. */
  readonly without?: readonly (keyof Guards)[];
}

const NO_FAULTS: Budget = {
  crashes: 0,
  losses: 0,
  storeAnswers: 0,
  requests: 0,
  refusals: 0,
  reusedIds: 0,
  transfers: 0,
  drains: 0,
  timeouts: 0,
  noPlaces: 0,
  errors: 0,
  cancels: 0,
};

/** Without one of these, no task fails: each may lose the only knowledge of a job. */
const LOSSES = ['crashes', 'losses', 'requests', 'reusedIds', 'timeouts', 'errors'] as const;

export function ownershipModel({ tasks, faults, without = [] }: Options): Model<World> {
  const guards: Guards = { ...ALL_GUARDS, ...Object.fromEntries(without.map((name) => [name, false])) };
  return {
    start: startOf(tasks, guards, { ...NO_FAULTS, ...faults }),
    keyOf,
    steps(world) {
      const steps: Step<World>[] = [];
      const take: Take = (name, kind, change) => {
        const next = copy(world);
        change(next);
        next.late = next.late.filter((thing) => thing.kind === 'create' || mayStillWrite(next, thing));
        steps.push({ name, isFair: kind === 'fair', next });
      };
      for (const index of world.nodes.keys()) nodeSteps(world, index, take);
      for (const index of world.drivers.keys()) driverSteps(world, index, take);
      cancelSteps(world, take);
      others(world, take);
      return steps;
    },
    violation: (world) => world.broken ?? violationOf(world),
    isDone: ({ rows }) => rows.every((row) => !row || isTerminal(row)),
  };
}

function startOf(tasks: number, guards: Guards, faults: Budget): World {
  const names = [1, 2];
  const node = (name: number): Node => ({
    isUp: true,
    name,
    lease: 'held',
    isDraining: false,
    isSettled: false,
    asking: undefined,
    inbox: [],
    perhapsTransferred: [],
  });
  return {
    guards,
    rows: Array.from({ length: tasks }, () => undefined),
    locked: names,
    lastName: 2,
    nodes: names.map(node),
    drivers: [],
    late: [],
    jobs: [],
    faults,
    left: faults,
    broken: undefined,
  };
}

/** Violations in a state, besides those of the step into it. */
function violationOf(world: World): string | undefined {
  const { guards, rows, drivers, nodes, faults, left } = world;
  const jobs = rows.flatMap((row) => row?.job || []);
  if (new Set(jobs).size < jobs.length) return 'two tasks have one job';
  if (world.jobs.length > mayHaveJobs(world)) return 'a task is cancelled although it has a job';
  const isAllKnown = LOSSES.every((fault) => left[fault] === faults[fault]);
  for (const task of rows.keys()) {
    const row = rows[task];
    if (row?.phase === 'failed' && isAllKnown) return `task ${task + 1} is given up, and nothing was lost`;
    const its = drivers.filter((driver) => driver.task === task && nodes[driver.node]?.isUp);
    const senders = its.filter(
      ({ node, at, isCurrent }) => at === 'connecting' && isCurrent && nodes[node]?.lease === 'held',
    );
    if (senders.length > 1) return `two drivers of task ${task + 1} may both send`;
    const stale = its.find(
      ({ isCurrent, write, isWriteUnknown, node }) =>
        isCurrent && !write && !isWriteUnknown && (!guards.readsUnderLease || nodes[node]?.lease === 'held'),
    );
    if (row && isTerminal(row) && stale)
      return `${nameOf(stale.node)} answers that task ${task + 1} goes on, which has ${row.phase}`;
  }
  return undefined;
}

/** Events without a particular node. */
function others(world: World, take: Take): void {
  for (const [place, thing] of world.late.entries()) {
    const arrive = (next: World) => void next.late.splice(place, 1);
    if (thing.kind !== 'create') {
      take(`late, the store carries out: ${thing.kind}`, 'fair', (next) => {
        arrive(next);
        execute(next, thing);
      });
      continue;
    }
    take(`late, the creating request of task ${thing.task + 1} arrives upstream`, 'fair', (next) => {
      arrive(next);
      create(next, thing.task, thing.attempt);
    });
    take(`the creating request of task ${thing.task + 1} is lost on its way`, 'fair', arrive);
  }
  for (const name of world.locked) {
    const isCountedOn = world.nodes.some((node) => node.name === name && node.lease === 'held');
    if (isCountedOn && world.guards.nodeStopsFirst) continue;
    const lost = !isCountedOn || world.left.losses > 0;
    if (lost)
      take(`the server releases the lock of lease ${name}`, isCountedOn ? 'may fail' : 'fair', (next) => {
        next.locked = next.locked.filter((other) => other !== name);
        if (isCountedOn) next.left.losses -= 1;
      });
  }
}
