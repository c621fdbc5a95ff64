import type { Guards } from './guards.ts';

/**
 * The state of the model in `ownership.ts`: a database, an upstream, two nodes, and everything on its way between them. Each message
 * is a value of its own, so that it may arrive at any later time, or never.
 */
export interface World {
  readonly guards: Guards;
  /** The stored tasks; undefined before they are accepted. A row is replaced, never changed. */
  rows: (Row | undefined)[];
  /** Leases whose lock the server holds. */
  locked: Name[];
  lastName: Name;
  nodes: Node[];
  drivers: Driver[];
  /** Messages that nobody waits for any more, but that may still arrive. */
  late: (Statement | CreateRequest)[];
  /** The jobs that the upstream has made. */
  jobs: Job[];
  /** Faults, transfers to other nodes and cancellations that may happen, and those that still may. */
  readonly faults: Budget;
  left: Budget;
  /** An invariant that a step has violated. */
  broken: string | undefined;
}

/** Names a lease (`store/postgres/nodes.ts`); 0 names none. */
export type Name = number;

export interface Row {
  readonly phase: Phase;
  readonly version: number;
  readonly owner: Name;
  readonly attempt: number;
  /** The upstream id of the attempt; 0 for none. */
  readonly job: Job;
  /** `cancelRequestedAt`. */
  readonly isToBeCancelled: boolean;
}

/** `storing` is a part of `running`; `cancelled` is `failed` by a cancellation. */
export type Phase = 'accepted' | 'submitting' | 'running' | 'succeeded' | 'failed' | 'cancelled';

/** An upstream id, which contains the attempt for which the job was made. */
export type Job = number;
export const jobOf = (task: number, attempt: number): Job => 1 + task * 10 + attempt;
export const taskOf = (job: Job): number => Math.floor((job - 1) / 10);

export interface Node {
  isUp: boolean;
  name: Name;
  /** `held` and `over` as the node itself sees it (`hasLease()`); `none` once it has released everything. */
  lease: 'held' | 'over' | 'none';
  isDraining: boolean;
  /** `settle` in `engine/drive.ts`: the drain has waited for all work, or for long enough. */
  isSettled: boolean;
  /** What the ownership loop is waiting for: it does one thing at a time. */
  asking: Asking | undefined;
  /** Messages about tasks transferred to this node, with the row once it is read. */
  inbox: Received[];
  /** Tasks whose transfer got no answer. */
  perhapsTransferred: number[];
}

export interface Received {
  readonly task: number;
  /** The name to which the message is addressed. */
  readonly to: Name;
  readonly row: Row | undefined;
}

export interface Asking {
  readonly statement: Statement;
  readonly answer?: Answer;
}

/** Where a driver is in its program: the current `await` of `engine/drive.ts` or of a stage. */
export type At =
  | 'accepting'
  // `accepted`: `engine/stages/admit.ts`.
  | 'waiting'
  | 'intending'
  // `submitting`: `engine/stages/submit.ts`, `engine/recovery/`.
  | 'deciding'
  | 'connecting'
  | 'sent'
  | 'answered'
  | 'refused'
  | 'confirming'
  | 'confirming for the owner'
  | 'searching'
  | 'refusing'
  | 'giving up'
  // `running`: `engine/stages/poll.ts`.
  | 'polling'
  | 'finishing'
  // A recorded cancel request.
  | 'cancelling'
  // Between two passes: `lookAgain`.
  | 'pausing'
  // The loop has ended, because the node stops. The task is still active.
  | 'stopped';

/** An active task of a node, with its loop. The loop may outlive it. */
export interface Driver {
  readonly node: number;
  readonly task: number;
  /** `ActiveTasks.drives`. */
  isCurrent: boolean;
  /** `ActiveTask.task`: the stored state as this driver knows it. */
  row: Row;
  at: At;
  /** The attempt that this pass submits or searches for. */
  attempt: number;
  /** The attempt of a token that is kept beyond its pass: 0 with the guard `tokenOfOnePass`. */
  token: number;
  /** A write in progress. The writes of a task wait for each other: `inTurn` in `engine/transitions.ts`. */
  write: Asking | undefined;
  /** Whether it belongs to a client's cancellation, and not to the loop. */
  isClients: boolean;
  /** The phase in which a client's cancellation was decided, while it is in progress or waits for its turn. */
  cancelsIn: Phase | undefined;
  /** Writes of the loop whose answer was lost. */
  tried: Row[];
  /** The upstream id from an answer or a search. */
  job: Job;
  isFound: boolean;
  /** `ActiveTask.writeUnknown`. */
  isWriteUnknown: boolean;
}

export type Statement =
  | { readonly kind: 'accept'; readonly task: number; readonly row: Row }
  | {
      readonly kind: 'move';
      readonly task: number;
      readonly from: Row;
      readonly to: Row;
      readonly isClaim: boolean;
    }
  | { readonly kind: 'adopt'; readonly name: Name }
  | { readonly kind: 'read'; readonly task: number }
  | {
      readonly kind: 'transfer';
      readonly task: number;
      readonly from: Name;
      readonly to: Name;
      readonly version: number;
    };

/** The answer of the database: whether it wrote, or the tasks that were read. */
export type Answer = 'written' | 'lost' | 'taken' | 'no place' | readonly Received[];

export interface CreateRequest {
  readonly kind: 'create';
  readonly task: number;
  readonly attempt: number;
}

export interface Budget {
  /** Processes that die, and leases that are lost. */
  crashes: number;
  losses: number;
  /** Lost answers of the database, where the statement was executed, will be, or never is. */
  storeAnswers: number;
  /** Creating requests that are lost, answers that are lost, and answers that arrive after the caller has given up. */
  requests: number;
  refusals: number;
  /** Answers with the id of another job. */
  reusedIds: number;
  transfers: number;
  drains: number;
  /** Drains that do not wait any longer for work in progress. */
  timeouts: number;
  /** Intents for which the account has no place. */
  noPlaces: number;
  /** Passes that end with an error. */
  errors: number;
  /** Cancellations by clients. */
  cancels: number;
}

export const isTerminal = ({ phase }: Row): boolean =>
  phase === 'succeeded' || phase === 'failed' || phase === 'cancelled';

export const sameRow = (a: Row | undefined, b: Row | undefined): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    a.phase === b.phase &&
    a.version === b.version &&
    a.owner === b.owner &&
    a.attempt === b.attempt &&
    a.job === b.job &&
    a.isToBeCancelled === b.isToBeCancelled);

/** A copy to change. Rows and statements are shared: they never change. */
export const copy = (world: World): World => ({
  ...world,
  rows: [...world.rows],
  locked: [...world.locked],
  nodes: world.nodes.map((node) => ({
    ...node,
    inbox: [...node.inbox],
    perhapsTransferred: [...node.perhapsTransferred],
  })),
  drivers: world.drivers.map((driver) => ({ ...driver, tried: [...driver.tried] })),
  late: [...world.late],
  jobs: [...world.jobs],
  left: { ...world.left },
});

/**
 * The state as text. States are equal if they differ only in the numbers of leases, or in which node is which, because nothing in the
 * model depends on either.
 */
export function keyOf(world: World): string {
  const [first = ''] = [textOf(world, [0, 1]), textOf(world, [1, 0])].sort();
  return first;
}

const LETTERS: Readonly<Record<Phase, string>> = {
  accepted: 'a',
  submitting: 's',
  running: 'r',
  succeeded: '+',
  failed: '-',
  cancelled: 'x',
};

function textOf(world: World, order: readonly number[]): string {
  const names = new Map<Name, number>([[0, 0]]);
  const name = (of: Name): number => {
    const known = names.get(of);
    if (known !== undefined) return known;
    names.set(of, names.size);
    return names.size - 1;
  };
  const row = (of: Row | undefined): string =>
    of
      ? `${LETTERS[of.phase]}${of.version}.${name(of.owner)}.${of.attempt}.${of.job}${of.isToBeCancelled ? 'c' : ''}`
      : '-';
  const statement = (of: Statement | CreateRequest): string => {
    switch (of.kind) {
      case 'accept':
        return `i${of.task}${row(of.row)}`;
      case 'move':
        return `m${of.task}${row(of.from)}>${row(of.to)}${of.isClaim ? '!' : ''}`;
      case 'adopt':
        return `a${name(of.name)}`;
      case 'read':
        return `r${of.task}`;
      case 'transfer':
        return `g${of.task}.${name(of.from)}.${name(of.to)}.${of.version}`;
      case 'create':
        return `c${of.task}.${of.attempt}`;
    }
  };
  const rowsOf = (of: readonly Received[]): string =>
    of.map((read) => `${read.task}${name(read.to)}${row(read.row)}`).join();
  const asking = (of: Asking | undefined): string => {
    if (!of) return '';
    const { answer = '?' } = of;
    return `${statement(of.statement)}=${typeof answer === 'string' ? answer : rowsOf(answer)}`;
  };
  const nodes = order.map((index) => {
    const of = world.nodes[index];
    if (!of) return '';
    const flags = `${of.isUp ? 'u' : 'd'}${of.lease.charAt(0)}${of.isDraining ? 'l' : ''}${of.isSettled ? 's' : ''}`;
    return `${flags}${name(of.name)}[${asking(of.asking)}][${rowsOf(of.inbox)}]${of.perhapsTransferred.join()}`;
  });
  const rows = world.rows.map(row);
  const drivers = world.drivers
    .map(
      (of) =>
        `${order[of.node]}${of.task}${of.isCurrent ? '+' : '-'}${of.at}${of.attempt}.${of.token}${row(of.row)}` +
        `[${asking(of.write)}]${of.isClients ? 'c' : ''}${of.cancelsIn ?? ''}` +
        `${of.tried.map(row).join()}.${of.job}${of.isFound ? 'f' : ''}${of.isWriteUnknown ? 'u' : ''}`,
    )
    .sort();
  const late = world.late.map(statement).sort();
  const locked = world.locked.map(name).sort();
  const jobs = [...world.jobs].sort();
  const { left } = world;
  return [
    ...nodes,
    ...rows,
    drivers.join(';'),
    late.join(),
    locked.join(),
    jobs.join(),
    Object.values(left).join(''),
    world.broken ?? '',
  ].join('|');
}
