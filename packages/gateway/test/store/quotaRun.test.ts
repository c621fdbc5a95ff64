import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sqlitePath } from '../../src/store/sqlite/file.ts';
import { newId } from '../../src/tasks/ids.ts';
import { type Event, move } from '../../src/tasks/lifecycle.ts';
import { dayOf, type Quota } from '../../src/tasks/quota.ts';
import type { Task } from '../../src/tasks/task.ts';
import { anAcceptance, aTask, PRICE, START_OF_TIME } from '../support/builders.ts';
import type { StoreWithLedger } from '../support/ledger.ts';
import { connect, freshDatabase } from '../support/servers/database.ts';
import { tempFolder } from '../support/tempFolder.ts';
import { FAILED, INTENT, SHORT } from './contract/steps.ts';
import { openStore as openPostgres } from './postgres/openStore.ts';
import { openStore as openSqlite } from './sqlite/embedded.ts';

const DAY = 86_400_000;
const QUOTA: Quota = {
  project: { dailyBudgetMicros: 3_000_000, tasksInFlight: 9 },
  key: { monthlyBudgetMicros: 4_000_000, tasksInFlight: 6 },
  currency: 'USD',
};

const aStep = fc.record({
  /** Which of the nodes does it, and what: a submit, or a move of one of the tasks. */
  node: fc.nat(2),
  task: fc.nat(30),
  action: fc.constantFrom('submit', 'submit', 'submit', 'advance', 'fail', 'delete', 'replay', 'lost'),
  key: fc.constantFrom('a', 'b'),
  hold: fc.constantFrom(0, 200_000, 500_000, 900_000),
  day: fc.nat(1),
  /** A node whose copy of the key is old knows of no limit. */
  isStale: fc.boolean(),
});
/** In half of the runs every node knows of the limits: then nothing may be accepted past them. */
const someSteps = fc
  .tuple(fc.array(aStep, { minLength: 20, maxLength: 60 }), fc.boolean())
  .map(([steps, mayBeStale]) => steps.map((step) => ({ ...step, isStale: mayBeStale && step.isStale })));
type Step = typeof aStep extends fc.Arbitrary<infer T> ? T : never;

/** Nodes on one database, and the amounts of its ledger by task and kind. */
interface World {
  readonly nodes: readonly [StoreWithLedger, ...StoreWithLedger[]];
  ledger(): Promise<Ledger>;
}

type Ledger = ReadonlyMap<string, number>;
interface LedgerColumns {
  readonly task_id: string;
  readonly kind: string;
  readonly amount: number | string;
}
const LEDGER = 'select task_id, kind, amount_micros as amount from ledger';
const ledgerFrom = (rows: readonly LedgerColumns[]): Ledger =>
  new Map(rows.map(({ task_id, kind, amount }) => [`${task_id} ${kind}`, Number(amount)]));

const ADVANCE: Readonly<Partial<Record<Task['phase'], () => Event>>> = {
  accepted: () => ({ ...INTENT, idempotencyKey: newId() }),
  submitting: () => ({ type: 'submit_confirmed', upstreamId: newId(), working: false }),
  running: () => ({ type: 'upstream_succeeded', result: { ref: 'there' } }),
  storing: () => SHORT,
};

/** Applies steps at once, in groups, to nodes on one database. Returns the tasks that they accepted. */
async function run({ nodes }: World, projectId: string, steps: readonly Step[]) {
  const tasks: Task[] = [];

  async function submit(node: StoreWithLedger, { key, hold, day, action, isStale }: Step): Promise<void> {
    const createdAt = START_OF_TIME + day * DAY;
    const task = aTask({
      projectId,
      keyId: `${key}-${projectId}`,
      createdAt,
      price: { ...PRICE, holdMicros: hold },
    });
    const idempotency = { key: newId(), bodyHash: 'h', expiresAt: createdAt + DAY };
    const acceptance = anAcceptance(task, { idempotency, ...(isStale ? {} : { quota: QUOTA }) });
    const again = action === 'lost' ? nodes[1 % nodes.length] : undefined;
    // An answer that was lost: the same is written again, at the same time or later, by whatever node.
    const outcomes = await Promise.all([node.accept(acceptance), again?.accept(acceptance)]);
    if (outcomes[0]?.outcome === 'accepted' || outcomes[1]?.outcome === 'accepted') tasks.push(task);
    if (action === 'replay' && outcomes[0]?.outcome === 'accepted') {
      const other = anAcceptance(aTask({ ...task, id: aTask().id }), { idempotency, quota: QUOTA });
      expect((await node.accept(other)).outcome).toBe('replayed');
    }
  }

  async function change(node: StoreWithLedger, { action, task: at }: Step): Promise<void> {
    const task = tasks[at % Math.max(1, tasks.length)];
    if (!task) return;
    const next =
      action === 'fail'
        ? FAILED
        : action === 'delete'
          ? { type: 'deleted' as const }
          : ADVANCE[task.phase]?.();
    const made = next && move(task, next, task.createdAt + 1000);
    if (made && (await node.commit(made))) tasks[tasks.indexOf(task)] = made.task;
  }

  for (let at = 0; at < steps.length; at += 8)
    await Promise.all(
      steps.slice(at, at + 8).map((step) => {
        const node = nodes[step.node % nodes.length];
        if (!node) return undefined;
        const isChange = ['advance', 'fail', 'delete'].includes(step.action);
        return isChange ? change(node, step) : submit(node, step);
      }),
    );
  return tasks;
}

/** What the ledger says of tasks; the counters must say the same. Sums of holds are those of captures and releases. */
function useFromLedger(ledger: Ledger, tasks: readonly Task[], at: number) {
  const use = { tasksInFlight: 0, dayMicros: 0, monthMicros: 0 };
  for (const task of tasks) {
    const sum = (kind: string) => ledger.get(`${task.id} ${kind}`) ?? 0;
    const ended = task.phase === 'succeeded' || task.phase === 'failed';
    if (ended) expect(sum('capture') + sum('release')).toBe(sum('hold'));
    else use.tasksInFlight += 1;
    const amount = sum('hold') - sum('release');
    use.monthMicros += amount;
    if (dayOf(task.createdAt) === dayOf(at)) use.dayMicros += amount;
  }
  return use;
}

async function check(world: World, steps: readonly Step[]): Promise<void> {
  const projectId = newId();
  const tasks = await run(world, projectId, steps);
  const [store] = world.nodes;
  const ledger = await world.ledger();
  for (const day of [0, 1]) {
    const at = START_OF_TIME + day * DAY;
    for (const key of [undefined, 'a', 'b']) {
      const counted = { projectId, ...(key === undefined ? {} : { keyId: `${key}-${projectId}` }) };
      const own = tasks.filter(({ keyId }) => counted.keyId === undefined || keyId === counted.keyId);
      expect(await store.quotaUse(counted, at, 'USD')).toEqual(useFromLedger(ledger, own, at));
    }
    expect(await store.recountQuotas(at)).toEqual([]);
    if (steps.some(({ isStale }) => isStale)) continue;
    // Nothing was accepted past a limit.
    const { dayMicros, tasksInFlight } = await store.quotaUse({ projectId }, at, 'USD');
    expect(dayMicros).toBeLessThanOrEqual(3_000_000);
    expect(tasksInFlight).toBeLessThanOrEqual(9);
  }
}

async function onPostgres(): Promise<World> {
  const url = await freshDatabase();
  const client = await connect(url);
  return {
    nodes: [await openPostgres(url), await openPostgres(url), await openPostgres(url)],
    ledger: async () => ledgerFrom((await client.query<LedgerColumns>(LEDGER)).rows),
  };
}

async function onSqlite(): Promise<World> {
  const dir = await tempFolder();
  const store = await openSqlite(dir);
  const db = new Database(sqlitePath(dir), { readonly: true });
  onTestFinished(() => void db.close());
  return { nodes: [store], ledger: async () => ledgerFrom(db.prepare<[], LedgerColumns>(LEDGER).all()) };
}

describe('any life of tasks under limits, with answers that are lost, replays and nodes that know of no limit', () => {
  it.each([
    ['SQLite', onSqlite],
    ['three nodes and one PostgreSQL', onPostgres],
  ])('leaves counters that agree with the ledger, on %s', async (_store, open) => {
    const world = await open();
    await fc.assert(
      fc.asyncProperty(someSteps, (steps) => check(world, steps)),
      { numRuns: 10 },
    );
  });

  it('overspends nothing when three nodes submit at once against one budget', async () => {
    const world = await onPostgres();
    const steps = Array.from(
      { length: 300 },
      (_, at): Step => ({
        node: at % 3,
        task: at,
        action: at % 5 === 4 ? 'fail' : 'submit',
        key: at % 2 === 0 ? 'a' : 'b',
        hold: 200_000,
        day: 0,
        isStale: false,
      }),
    );
    await check(world, steps);
  });
});
