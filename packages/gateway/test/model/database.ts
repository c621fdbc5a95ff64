import {
  type Answer,
  isTerminal,
  type Name,
  type Received,
  type Row,
  type Statement,
  sameRow,
  type World,
} from './world.ts';

/** Executes a statement, atomically, as in `store/postgres/statements.ts`. */
export function execute(world: World, statement: Statement): Answer {
  switch (statement.kind) {
    case 'accept':
      // `accept`: `on conflict do nothing`; the same task twice is the same as once.
      world.rows[statement.task] ??= statement.row;
      return 'written';
    case 'move':
      return move(world, statement);
    case 'adopt':
      return adopt(world, statement.name);
    case 'transfer': {
      const { task, from, to, version } = statement;
      const row = world.rows[task];
      if (!row || isTerminal(row) || row.owner !== from || row.version !== version) return 'lost';
      write(world, task, { ...row, owner: to, version: row.version + 1 });
      // The message is sent with the transaction, to living nodes.
      if (world.locked.includes(to))
        world.nodes.find(({ name }) => name === to)?.inbox.push({ task, to, row: undefined });
      return 'written';
    }
    case 'read':
      return [{ task: statement.task, to: 0, row: world.rows[statement.task] }];
  }
}

/** `commit`, and `claim` in `store/postgres/store.ts`. */
function move(world: World, statement: Extract<Statement, { kind: 'move' }>): Answer {
  const { task, from, to, isClaim } = statement;
  if (isClaim && world.guards.jobIsOfOneAttempt && isAnothers(world, task, to.job)) return 'taken';
  if (!passes(world, world.rows[task], from)) return 'lost';
  write(world, task, to);
  return 'written';
}

function passes({ guards }: World, row: Row | undefined, from: Row): row is Row {
  if (!row) return false;
  if (guards.casOnVersion && row.version !== from.version) return false;
  if (guards.casOnOwner && row.owner !== from.owner) return false;
  return !guards.casOnPhase || row.phase === from.phase;
}

/** Whether a late statement may still write: versions only grow, so one whose version has passed never will. */
export function mayStillWrite(world: World, statement: Statement): boolean {
  switch (statement.kind) {
    case 'accept':
      return !world.rows[statement.task];
    case 'move':
      return !world.guards.casOnVersion || world.rows[statement.task]?.version === statement.from.version;
    case 'transfer':
      return world.rows[statement.task]?.version === statement.version;
    case 'adopt':
      return world.rows.some((row) => !row || !isTerminal(row));
    case 'read':
      return false;
  }
}

const isAnothers = (world: World, task: number, job: number): boolean =>
  world.rows.some((row, other) => other !== task && row?.job === job);

/** `adopt`: one statement for all tasks of owners without a lock. */
function adopt(world: World, name: Name): Answer {
  const adopted: Received[] = [];
  for (const [task, row] of world.rows.entries()) {
    if (!row || isTerminal(row) || row.owner === name) continue;
    if (world.guards.adoptsOfTheDeadAlone && world.locked.includes(row.owner)) continue;
    const next = {
      ...row,
      owner: name,
      version: row.version + (world.guards.adoptionMovesTheVersion ? 1 : 0),
    };
    write(world, task, next);
    adopted.push({ task, to: name, row: next });
  }
  return adopted;
}

function write(world: World, task: number, row: Row): void {
  const before = world.rows[task];
  if (before && isTerminal(before) && !sameRow(before, row)) {
    world.broken ??= `task ${task + 1} was ${before.phase} and became ${row.phase}`;
  }
  if (before?.phase === 'accepted' && before.isToBeCancelled && row.phase === 'submitting') {
    world.broken ??= `task ${task + 1} was to be cancelled and is submitted`;
  }
  world.rows[task] = row;
}
