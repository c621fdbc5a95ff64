import { describe, expect, it } from 'vitest';
import { createListOrder, type ListOrder } from '../../../src/providers/lists/listOrder.ts';
import type { DueJob } from '../../../src/providers/provider.ts';

const PAGE = 10;

const due = (id: string, expectedDelayMs = 1): DueJob => ({
  handle: { upstreamId: id, upstreamModel: 'm', idempotencyKey: id, intendedAt: 0 },
  expectedDelayMs,
});
const names = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `job ${from + index}`);

/** An upstream with these jobs, newest first, of which every page behind a job can be read. */
function aList(ids: string[], order = createListOrder(PAGE)) {
  /** All that a page has shown. */
  const seen = new Set<string>();
  /** Reads the page that is best for jobs, and returns which of them it has shown. */
  function read(wanted: readonly DueJob[]): string[] {
    const { page } = order.bestPage(wanted);
    const finishRead = order.startRead(page);
    const start = page.after ? ids.indexOf(page.after.id) + 1 : 0;
    const listed = ids.slice(start, start + PAGE).map((id) => ({ id }));
    finishRead({ listed, more: start + PAGE < ids.length });
    for (const { id } of listed) seen.add(id);
    return page.jobs.map(({ upstreamId }) => upstreamId).filter((id) => listed.some((job) => job.id === id));
  }
  return { ids, order, read, seen };
}

const chosen = (order: ListOrder, wanted: readonly DueJob[]): string[] =>
  order.bestPage(wanted).page.jobs.map(({ upstreamId }) => upstreamId);

describe('the order of a list', () => {
  it('begins with the first page, goes on behind it, and knows all jobs after that', () => {
    const { ids, read } = aList(names(0, 25));
    const wanted = ids.map((id) => due(id));
    const found = new Set<string>();
    let pages = 0;
    for (; found.size < ids.length; pages++) {
      for (const id of read(wanted.filter(({ handle }) => !found.has(handle.upstreamId)))) found.add(id);
      expect(pages).toBeLessThan(10);
    }
    // Once known, three pages have them all.
    for (const [from, to] of [[0, 10] as const, [10, 20] as const, [20, 25] as const])
      expect(read(names(from, to).map((id) => due(id)))).toEqual(names(from, to));
  });

  it('begins a page behind any job, so that it is about the most delay', () => {
    const { ids, order, read } = aList(names(0, 30));
    while (
      read(ids.map((id) => due(id))).length > 0 &&
      chosen(order, [due('job 29'), due('job 28')]).length < 2
    );
    for (let page = 0; page < 3; page++) read(names(page * PAGE, page * PAGE + PAGE).map((id) => due(id)));
    expect(
      chosen(
        order,
        names(5, 15).map((id) => due(id)),
      ),
    ).toEqual(names(5, 15));
    // Many jobs of little delay, and two of much.
    const wanted = [...names(0, 8).map((id) => due(id, 1)), due('job 20', 10), due('job 29', 10)];
    expect(chosen(order, wanted)).toEqual(['job 20', 'job 29']);
  });

  it('has new jobs in front, and forgets those that are gone', () => {
    const list = aList(names(10, 30));
    const { ids, order, read } = list;
    read(names(10, 20).map((id) => due(id)));
    read(names(20, 30).map((id) => due(id)));
    ids.unshift(...names(5, 10));
    ids.splice(ids.indexOf('job 12'), 1);
    expect(
      chosen(
        order,
        [...names(5, 10), ...names(20, 30)].map((id) => due(id)),
      ),
    ).toEqual(names(20, 30));
    expect(read([...names(5, 10), 'job 12', 'job 14'].map((id) => due(id)))).toContain('job 5');
    expect(read([...names(5, 10), 'job 14'].map((id) => due(id)))).toEqual([...names(5, 10), 'job 14']);
  });

  it('gives up jobs that no page shows, until one does', () => {
    const { ids, order, read } = aList(names(0, 30));
    const hidden = [due('hidden'), due('missing')];
    for (let times = 0; times < 10; times++) read(hidden);
    expect(chosen(order, hidden)).toEqual([]);
    ids.unshift('hidden', 'missing');
    read(names(0, 5).map((id) => due(id)));
    expect(chosen(order, hidden)).toEqual(['hidden', 'missing']);
  });

  it('does not believe an older first page that is answered after a newer one', () => {
    const { order } = aList([]);
    const { page } = order.bestPage(names(0, 5).map((id) => due(id)));
    const older = order.startRead(page);
    const newer = order.startRead(page);
    newer({ listed: names(0, 5).map((id) => ({ id })), more: false });
    older({ listed: names(3, 5).map((id) => ({ id })), more: false });
    expect(
      chosen(
        order,
        names(0, 5).map((id) => due(id)),
      ),
    ).toEqual(names(0, 5));
  });

  it('tells a page that shows nothing new from one that goes on', () => {
    const { order, read } = aList(names(0, 30));
    read(names(0, 20).map((id) => due(id)));
    const { page } = order.bestPage(names(10, 20).map((id) => due(id)));
    const finishRead = order.startRead(page);
    expect(finishRead({ listed: names(0, 10).map((id) => ({ id })), more: true })).toBe(false);
    expect(order.startRead(page)({ listed: names(10, 20).map((id) => ({ id })), more: true })).toBe(true);
  });

  it('begins no page between two jobs that it cannot be begun between', () => {
    const ids = names(0, 30);
    // Every fourth job may be the first.
    const order = createListOrder(PAGE, (_job, { id }) => Number(id.slice('job '.length)) % 4 > 0);
    const { read } = aList(ids, order);
    for (let from = 0; from < 30; from += PAGE)
      for (let times = 0; times < 4; times++) read(names(from, from + PAGE).map((id) => due(id)));
    const { page } = order.bestPage(names(18, 28).map((id) => due(id)));
    expect(page.after?.id).toBe('job 15');
    expect(page.jobs.map(({ upstreamId }) => upstreamId)).toEqual(names(18, 26));
  });

  it.each([3, 25, 60])(
    'finds all jobs after a restart, or after a burst of %s that no first page has shown',
    (burst) => {
      const list = aList(names(0, 80));
      const found = new Set<string>();
      const findAll = () => {
        for (let pages = 0; found.size < list.ids.length; pages++) {
          expect(pages).toBeLessThan(40);
          // The oldest first, as after a restart.
          const left = list.ids.filter((id) => !found.has(id)).reverse();
          list.read(left.slice(0, 30).map((id) => due(id)));
          for (const id of list.seen) found.add(id);
        }
      };
      findAll();
      list.ids.unshift(...names(100, 100 + burst));
      findAll();
    },
  );

  it('takes no longer with many unseen jobs than with few', () => {
    const order = createListOrder(PAGE);
    const many = names(0, 30_000).map((id) => due(id));
    // Quadratic work would take minutes.
    for (let times = 0; times < 3; times++) expect(order.bestPage(many).page.jobs).toHaveLength(PAGE);
  });

  it('learns that pages are smaller', () => {
    const order = createListOrder(PAGE);
    const { page } = order.bestPage(names(0, 8).map((id) => due(id)));
    order.startRead(page)({ listed: names(0, 4).map((id) => ({ id })), more: true });
    order.startRead({ ...page, after: { id: 'job 3' } })({
      listed: names(4, 8).map((id) => ({ id })),
      more: true,
    });
    expect(
      chosen(
        order,
        names(0, 8).map((id) => due(id)),
      ),
    ).toEqual(names(0, 4));
  });
});
