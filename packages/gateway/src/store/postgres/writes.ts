import { setTimeout as sleep } from 'node:timers/promises';
import { eventOf } from '../../tasks/events.ts';
import type { Move } from '../../tasks/lifecycle.ts';
import { type PlaceChange, placeChange } from '../../tasks/places.ts';
import {
  type CountedLimits,
  dayOf,
  givenBack,
  IN_FLIGHT,
  monthOf,
  subjectOf,
  subjectsOf,
} from '../../tasks/quota.ts';
import type { Task } from '../../tasks/task.ts';
import { acceptedBefore } from '../accepting.ts';
import { StoreUnavailable } from '../errors.ts';
import { jsonRows } from '../jsonRows.ts';
import type { OverLimit } from '../quota/contract.ts';
import { makeQuotaCounters } from '../quota/postgres.ts';
import { type RowReader, TASK } from '../readRows.ts';
import type { Acceptance, Accepted, MediaRow } from '../store.ts';
import { attemptToRow, eventToRow, mediaToRow, type TaskWithAttempt, taskToRow } from '../tables.ts';
import { webhookOf } from '../webhooks.ts';
import { createBatches } from './batches.ts';
import { isUnavailable, mayBeOneWrite } from './errors.ts';
import type { Connections, Run } from './pool.ts';
import { SQL, TASKS_IN_MESSAGE } from './statements.ts';

/** The writes of tasks, in batches. */
export interface Writes {
  accept(acceptance: Acceptance): Promise<Accepted>;
  commit(move: Move, media: readonly MediaRow[]): Promise<boolean>;
  /** As `commit`, for a move that takes a place of its account, if fewer than `limit` are taken. */
  intend(move: Move, limit: number): Promise<'written' | 'lost' | 'no_place'>;
  /** Writes a single move, on a connection that is in a transaction. */
  commitWith(run: Run, move: Move): Promise<boolean>;
  /** Stops retrying acceptances. Resolves when nothing is queued or being sent. */
  close(): Promise<void>;
}

interface WritesOptions {
  readonly connections: Connections;
  readonly rows: RowReader;
  /** The name under which this node owns tasks at the moment. */
  readonly node: () => string;
  /** Most batches of each kind in flight. */
  readonly concurrency: number;
  /** Called with counters of places that were read or changed. */
  readonly onPlaces: (account: string, inFlight: number) => void;
  /** Called when a delivery that is due was written. */
  readonly onDelivery: () => void;
}

/** `lacking`: a counter of its limits is missing, or not counted yet. */
type AcceptOutcome = 'written' | 'there' | 'key_used' | 'lacking' | OverLimit;

interface AcceptRow {
  readonly n: number;
  readonly free: boolean;
  readonly written: boolean;
  readonly lacking: boolean;
  readonly refusal: (OverLimit['counter'] & Pick<OverLimit, 'amount'>) | null;
}

function outcomeOf({ free, written, lacking, refusal }: AcceptRow): AcceptOutcome {
  if (written) return 'written';
  if (lacking) return 'lacking';
  if (!refusal) return free ? 'there' : 'key_used';
  const { amount, ...counter } = refusal;
  return { outcome: 'over_limit', counter, amount };
}

type Outcome = 'written' | 'lost' | 'no_place' | 'no_counter';

/** How long an acceptance is retried while the database is unavailable: about as long as a restart takes. Milliseconds. */
const ACCEPT_PATIENCE_MS = 10_000;
const ACCEPT_RETRY_MS = 200;
/** Tries to use a key that was in use and then became free. Even a second one is rare. */
const MOST_ROUNDS = 10;

export function createWrites(options: WritesOptions): Writes {
  const { connections, rows: reader, concurrency } = options;
  const { run, read } = connections;
  const shared = { mayBeOneWrite, size: TASKS_IN_MESSAGE, concurrency };

  const accepting = createBatches<Acceptance, AcceptOutcome>({
    ...shared,
    // Acceptances with the same key wait for each other here, as they would for the lock of its row.
    nameOf: ({ task, idempotency }) =>
      idempotency ? JSON.stringify([task.projectId, idempotency.key]) : task.id,
    async send(acceptances) {
      const rows = await run<AcceptRow>(SQL.accept, [
        jsonRows(acceptances.map(acceptedColumns)),
        jsonRows(acceptances.flatMap(({ task, ledger }, n) => ledgerRows(n, task, ledger, task.createdAt))),
        jsonRows(acceptances.flatMap(({ media }, n) => mediaRows(n, media))),
        ...countedBy(acceptances.map(({ task }) => task)),
      ]);
      const outcomes = new Map(rows.map((row) => [row.n, outcomeOf(row)]));
      return acceptances.map((_, n) => outcomes.get(n) ?? 'key_used');
    },
  });

  const moves = createMoves(options);
  const committing = createBatches<MoveWrite, Outcome>({
    ...shared,
    // A statement can change a row only once, so moves of one task belong to different batches.
    nameOf: ({ move }) => move.task.id,
    send: (writes) => moves.send(run, writes),
  });

  let closing = false;

  /** What an earlier acceptance under the same idempotency key leads to. */
  async function earlierUnder({ task, idempotency }: Acceptance): Promise<Accepted | undefined> {
    if (!idempotency) return undefined;
    const values = [task.projectId, idempotency.key, task.createdAt];
    const [row] = await read<TaskWithAttempt & { body_hash: string }>(SQL.remembered, values);
    if (row && row.body_hash !== idempotency.bodyHash) return { outcome: 'conflict' };
    return row && row.id !== task.id ? { outcome: 'replayed', task: reader.one(TASK, row) } : undefined;
  }

  /** What an earlier try to write the same task, whose answer was lost, leads to. */
  async function writtenBefore({ task }: Acceptance): Promise<Accepted | undefined> {
    const [row] = await read<TaskWithAttempt>(SQL.task, [task.id]);
    return row && acceptedBefore(reader.one(TASK, row), task);
  }

  async function acceptOnce(acceptance: Acceptance): Promise<Accepted> {
    const { task } = acceptance;
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const outcome = await accepting.add(acceptance);
      if (outcome === 'written') return { outcome: 'accepted' };
      if (outcome === 'lacking') {
        await makeQuotaCounters(connections, task);
        continue;
      }
      const earlier = (await earlierUnder(acceptance)) ?? (await writtenBefore(acceptance));
      if (earlier) return earlier;
      if (typeof outcome === 'object') return outcome;
      // The key has expired meanwhile and is free now.
    }
    throw new Error(`${task.id} could not be accepted, and the task with its key could not be found`);
  }

  return {
    /** Retried while the database is unavailable: writing the same task twice is the same as writing it once. */
    async accept(acceptance) {
      const givenUpAt = performance.now() + ACCEPT_PATIENCE_MS;
      for (;;) {
        try {
          return await acceptOnce(acceptance);
        } catch (error) {
          if (!isUnavailable(error) || closing || performance.now() > givenUpAt) throw error;
          await sleep(ACCEPT_RETRY_MS);
        }
      }
    },
    commit: async (move, media) => withCounter(await committing.add({ move, media }), move) === 'written',
    intend: async (move, limit) => withCounter(await committing.add({ move, media: [], limit }), move),
    async commitWith(through, move) {
      const [outcome = 'lost'] = await moves.send(through, [{ move, media: [] }]);
      return withCounter(outcome, move) === 'written';
    },
    async close() {
      closing = true;
      await Promise.all([accepting.idle(), committing.idle()]);
    },
  };
}

interface MoveWrite {
  readonly move: Move;
  readonly media: readonly MediaRow[];
  /** Places of the account, for a move that takes one. */
  readonly limit?: number;
}

interface MovesAnswer {
  readonly written: readonly number[];
  readonly without_place: readonly number[];
  readonly without_counter: readonly number[];
  readonly announced: boolean;
  readonly places: readonly (readonly [account: string, inFlight: number])[] | null;
}

/** How a counter changes. A lingering place stays taken, and is freed by `freeLingeringPlaces` once its bound has passed. */
const COUNTED: Readonly<Record<PlaceChange['change'], number>> = {
  take: 1,
  free: -1,
  linger: 0,
  free_lingering: 0,
};

/** Writes moves with their counters. */
function createMoves({ node, onPlaces, onDelivery }: WritesOptions) {
  /** Accounts that have a counter: none is ever removed. */
  const counted = new Set<string>();

  async function makeCounters(run: Run, writes: readonly MoveWrite[]): Promise<void> {
    const accounts = new Set(writes.flatMap(({ move }) => placeChange(move)?.accountId ?? []));
    const missing = [...accounts].filter((account) => !counted.has(account));
    if (missing.length === 0) return;
    await run(SQL.makeCounters, [missing]);
    for (const account of missing) counted.add(account);
  }

  return {
    /** Writes moves in one statement. */
    async send(run: Run, writes: readonly MoveWrite[]): Promise<Outcome[]> {
      await makeCounters(run, writes);
      const [answer] = await run<MovesAnswer>(SQL.commit, parametersOf(writes, node()));
      for (const [account, inFlight] of answer?.places ?? []) onPlaces(account, inFlight);
      if (answer?.announced) onDelivery();
      const written = new Set(answer?.written);
      const withoutPlace = new Set(answer?.without_place);
      const withoutCounter = new Set(answer?.without_counter);
      // The database was replaced by one without them.
      if (withoutCounter.size > 0) counted.clear();
      return writes.map((_, n) => {
        if (written.has(n)) return 'written';
        if (withoutCounter.has(n)) return 'no_counter';
        return withoutPlace.has(n) ? 'no_place' : 'lost';
      });
    },
  };
}

function withCounter(outcome: Outcome, { task }: Move): Exclude<Outcome, 'no_counter'> {
  if (outcome !== 'no_counter') return outcome;
  const message = `The database has no counter for the places of account ${task.attempt?.accountId}; it is made with the next write.`;
  throw new StoreUnavailable(message, 1);
}

/** The parameters of `SQL.commit`. */
function parametersOf(writes: readonly MoveWrite[], node: string): readonly unknown[] {
  return [
    jsonRows(
      writes.map(({ move, limit }, n) => ({
        n,
        ...taskToRow(move.task),
        from_phase: move.from.phase,
        from_version: move.from.version,
        ...placeColumns(move),
        place_limit: limit ?? null,
        given_back: givenBack(move),
      })),
    ),
    jsonRows(
      writes.flatMap(({ move: { task } }, n) =>
        task.attempt ? [{ n, ...attemptToRow(task.id, task.attempt) }] : [],
      ),
    ),
    jsonRows(writes.flatMap(({ move: { task, ledger, at } }, n) => ledgerRows(n, task, ledger, at))),
    jsonRows(writes.flatMap(({ media }, n) => mediaRows(n, media))),
    jsonRows(
      writes.flatMap(({ move }, n) => {
        const event = eventOf(move);
        if (!event) return [];
        const webhook = webhookOf(event, move.task);
        return [{ n, ...eventToRow(event), webhook_url: webhook?.url, webhook_lane: webhook?.lane }];
      }),
    ),
    node,
    ...countedBy(writes.flatMap(({ move }) => (givenBack(move) === undefined ? [] : [move.task]))),
  ];
}

/** The subjects, keys and periods of the counters that may count these tasks. */
function countedBy(tasks: readonly Task[]): readonly (readonly string[])[] {
  const [subjects, keys, periods] = [new Set<string>(), new Set<string>(), new Set([IN_FLIGHT])];
  for (const task of tasks) {
    for (const counted of subjectsOf(task)) subjects.add(subjectOf(counted));
    keys.add(task.keyId);
    if (task.price.holdMicros > 0) periods.add(monthOf(task.createdAt)).add(dayOf(task.createdAt));
  }
  return [[...subjects], [...keys], [...periods]];
}

function placeColumns(move: Move): object {
  const changed = placeChange(move);
  const place = changed ? COUNTED[changed.change] : 0;
  return { place, place_account: place === 0 ? null : changed?.accountId };
}

const acceptedColumns = ({ task, idempotency, quota }: Acceptance, n: number): object => ({
  n,
  ...taskToRow(task),
  ...(quota ? { ...limitColumns('p', quota.project), ...limitColumns('k', quota.key) } : {}),
  idempotency_key: idempotency?.key ?? null,
  body_hash: idempotency?.bodyHash ?? null,
  remembered_until: idempotency?.expiresAt ?? null,
});

const limitColumns = (prefix: string, limits: CountedLimits): object => ({
  [`${prefix}_month`]: limits.monthlyBudgetMicros,
  [`${prefix}_day`]: limits.dailyBudgetMicros,
  [`${prefix}_flight`]: limits.tasksInFlight,
});

const ledgerRows = (n: number, task: Task, rows: Move['ledger'], at: number): object[] =>
  rows.map((row) => ({
    n,
    task_id: task.id,
    kind: row.kind,
    project_id: task.projectId,
    key_id: task.keyId,
    amount_micros: row.amountMicros,
    currency: task.price.currency,
    created_at: at,
  }));

/** The last row of each id, because a statement can write a row only once. */
export const mediaRows = (n: number, rows: readonly MediaRow[]): object[] =>
  [...new Map(rows.map((row) => [row.id, row])).values()].map((row) => ({ n, ...mediaToRow(row) }));
