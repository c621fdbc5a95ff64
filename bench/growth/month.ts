import type { Figure } from '../shared/figures.ts';
import { type Kind, type Opened, timeQuery } from '../shared/stores.ts';

const DAY = 86_400_000;
/** As the gateway's sweep. */
const BATCH = 50;
const QUERIES = 200;

export interface Month {
  /** The id behind which it begins, and how many tasks it has. */
  readonly after: string;
  readonly count: number;
  /** Tasks that stay. */
  readonly kept: readonly string[];
  readonly now: number;
}

/** Removes the tasks of a month as the sweep of the gateway does, and measures what is left behind, and what it does to queries and lists. */
export async function removeMonth(
  kind: Kind,
  opened: Opened,
  { after, count, kept, now }: Month,
): Promise<readonly Figure[]> {
  const store = await opened.reopen();
  const figures: Figure[] = [];
  const add = (what: string, unit: string, ...rounds: readonly number[]) =>
    figures.push({
      name: `a month of tasks (${count.toLocaleString('en-US')}) removed: ${what}, ${kind}`,
      unit,
      rounds,
    });

  const before = await opened.bytes();
  const batches: number[] = [];
  let last = after;
  let removed = 0;
  for (let looked = 0; looked < count; looked += BATCH) {
    const began = performance.now();
    const ids = (await store.tasksAfter(last, BATCH)).map(({ id }) => id);
    last = ids.at(-1) ?? last;
    removed += (await store.removeTasks({ ids, now, keepMs: 5 * DAY })).length;
    batches.push(performance.now() - began);
  }
  // The newest of a smaller size have media.
  if (removed < count * 0.9) throw new Error(`only ${removed} of ${count} tasks were removed`);
  add(`a batch of ${BATCH}`, 'ms', ...summaryOf(batches));
  add('tasks a second', '/s', removed / (batches.reduce((sum, ms) => sum + ms, 0) / 1000));

  async function measureReads(when: string) {
    const query = { projectId: 'large', limit: 21 };
    const queries: number[] = [];
    for (let time = 0; time < QUERIES; time++) {
      const began = performance.now();
      if (!(await store.task(kept[time % kept.length] ?? ''))) throw new Error('a task is missing');
      queries.push(performance.now() - began);
    }
    add(`query by id, not cached, ${when}`, 'ms', ...queries);
    const oldest = await timeQuery('', () => store.listTasks({ ...query, oldestFirst: true }));
    add(`list, oldest first, across what was removed, ${when}`, 'ms', ...oldest.rounds);
  }
  await measureReads(kind === 'SQLite' ? 'at once' : 'before the vacuum');
  if (kind === 'PostgreSQL') {
    add('vacuum', 's', ...(await opened.run('vacuum analyze')).map((ms) => ms / 1000));
    await measureReads('after the vacuum');
  }
  add('database, of its size before', '×', (await opened.bytes()) / before);
  if (kind === 'SQLite') {
    const [free] = await opened.read([FREE_PAGES]);
    add('of it free for new rows', '%', 100 * Number(free?.[0]?.share));
  }
  return figures;
}

const FREE_PAGES =
  'select cast(freelist_count as real) / page_count as share from pragma_freelist_count, pragma_page_count';

/** A sample of very many rounds, with the slowest. */
function summaryOf(rounds: readonly number[]): readonly number[] {
  const every = Math.ceil(rounds.length / 200);
  return rounds.toSorted((a, b) => a - b).filter((_, n) => n % every === 0 || n === rounds.length - 1);
}
