import type { DueJob, Handle } from '../provider.ts';

/** A job as a page of an upstream's list shows it. */
export interface ListedJob {
  readonly id: string;
  /** By the upstream's clock, milliseconds UTC, if it tells. */
  readonly createdAt?: number | undefined;
}

/** A part of the list, newest first, that one request startRead. */
export interface Page {
  /** The job behind which it begins; undefined: with the newest job. */
  readonly after: ListedJob | undefined;
  /** The last of the wanted jobs; undefined if one of them may be behind all that are known. */
  readonly last: ListedJob | undefined;
  /** The wanted jobs that should be on it. */
  readonly jobs: readonly Handle[];
}

/** The jobs on a page that was read. */
export interface PageContents {
  /** In the order of the list. */
  readonly listed: readonly ListedJob[];
  /** Whether the list goes on behind it, if the upstream tells. */
  readonly more: boolean | undefined;
}

/**
 * Where jobs are on an upstream's list, as far as its pages have shown it without a gap, from the newest job on. Only a guess: what a page
 * leaves out is looked for on the next ones, and at last polled otherwise.
 */
export interface ListOrder {
  /** The page that has the jobs with the most expected delay, and this delay. Without jobs if none of them is known to be listed. */
  bestPage(due: readonly DueJob[]): { readonly page: Page; readonly delayMs: number };
  /** Call it before a page is requested, and what it returns with the contents of the page. Tells whether they were a new part of the list. */
  startRead(page: Page): (contents: PageContents) => boolean;
  /** The upstream does not know the job behind which a page should begin. */
  forget(id: string): void;
}

/** Jobs of which it is remembered where they are: some hundred bytes each. */
const MOST_REMEMBERED = 10_000;
/** How many pages that show nothing new may miss a job before it counts as not listed. */
const PATIENCE = 5;

/** A job that no page has shown. */
interface Unseen {
  /** How many first pages had been asked for when it was first wanted. */
  readonly since: number;
  readonly misses: number;
}

const NO_PAGE = { page: { after: undefined, last: undefined, jobs: [] }, delayMs: 0 };

/**
 * `pageSize`: the jobs on one page. An upstream may show fewer. `noBreakBetween`: whether no page can begin behind the first of two jobs that
 * follow each other with the second.
 */
export function createListOrder(
  pageSize: number,
  noBreakBetween: (job: ListedJob, next: ListedJob) => boolean = () => false,
): ListOrder {
  /** Newest first. */
  let order: readonly ListedJob[] = [];
  let places = new Map<string, number>();
  const unseen = new Map<string, Unseen>();
  let size = pageSize;
  let firstPagesAsked = 0;
  let firstPageRead = 0;

  function setOrder(jobs: readonly ListedJob[]): void {
    order = jobs.slice(0, MOST_REMEMBERED);
    places = new Map(order.map(({ id }, place) => [id, place]));
  }

  function remember(id: string, job: Unseen): void {
    unseen.delete(id);
    unseen.set(id, job);
    const [oldest] = unseen.keys();
    if (unseen.size > MOST_REMEMBERED && oldest !== undefined) unseen.delete(oldest);
  }

  /**
   * Where the jobs are, newest first. A job that no page has shown is in front of all others until the first page has been read, and then
   * behind all. Negative places are in front.
   */
  function placesOf(due: readonly DueJob[]): { readonly job: DueJob; readonly place: number }[] {
    const front: DueJob[] = [];
    const known: { job: DueJob; place: number }[] = [];
    const behind: DueJob[] = [];
    for (const job of due) {
      const { upstreamId } = job.handle;
      const place = places.get(upstreamId);
      if (place !== undefined) {
        known.push({ job, place });
        continue;
      }
      const seen = unseen.get(upstreamId) ?? { since: firstPagesAsked, misses: 0 };
      if (!unseen.has(upstreamId)) remember(upstreamId, seen);
      if (seen.misses < PATIENCE) (seen.since < firstPageRead ? behind : front).push(job);
    }
    front.sort((a, b) => b.handle.intendedAt - a.handle.intendedAt);
    return [
      ...front.map((job, index) => ({ job, place: index - front.length })),
      ...known.sort((a, b) => a.place - b.place),
      ...behind.map((job, index) => ({ job, place: order.length + index })),
    ];
  }

  /** The wanted jobs that a page did not show. They may be on the next one, as long as pages show new parts of the list. */
  function missed({ jobs }: Page, ids: ReadonlySet<string>, more: boolean | undefined, isNew: boolean): void {
    for (const { upstreamId } of jobs) {
      if (ids.has(upstreamId)) continue;
      const { since = -1, misses = 0 } = unseen.get(upstreamId) ?? {};
      remember(upstreamId, { since, misses: more === false ? PATIENCE : misses + (isNew ? 0 : 1) });
    }
  }

  /** Where the page begins that has the job at this place first, or as near to it as can be. */
  function beginOf(place: number): number {
    let begin = place;
    for (; begin > 0; begin--) {
      const [job, next] = [order[begin - 1], order[begin]];
      if (!job || !next || !noBreakBetween(job, next)) break;
    }
    return begin;
  }

  return {
    bestPage(due) {
      const placed = placesOf(due);
      let best = { from: 0, to: 0, delayMs: 0 };
      let to = 0;
      let delayMs = 0;
      for (let from = 0; from < placed.length; from++) {
        const place = placed[from]?.place ?? 0;
        const start = beginOf(place);
        for (let next = placed[to]; next && next.place < start + size; next = placed[++to])
          delayMs += next.job.expectedDelayMs;
        // No page begins among jobs whose order is not known.
        const begins = from === 0 || (place >= 0 && place <= order.length);
        if (begins && delayMs > best.delayMs) best = { from, to, delayMs };
        delayMs -= placed[from]?.job.expectedDelayMs ?? 0;
      }
      const first = placed[best.from];
      if (!first || best.to === 0) return NO_PAGE;
      const last = placed[best.to - 1]?.place ?? order.length;
      const page = {
        after: order[Math.min(beginOf(first.place), order.length) - 1],
        last: order[last],
        jobs: placed.slice(best.from, best.to).map(({ job }) => job.handle),
      };
      return { page, delayMs: best.delayMs };
    },

    startRead(page) {
      const { after } = page;
      const number = after ? 0 : ++firstPagesAsked;
      return ({ listed, more }) => {
        const ids = new Set(listed.map(({ id }) => id));
        for (const id of ids) unseen.delete(id);
        if (more && listed.length > 1) size = Math.min(pageSize, listed.length);
        const place = after && places.get(after.id);
        // A later first page has been read in the meantime, or the job behind which this one begins is not known any more.
        if (after ? place === undefined : number < firstPageRead) return true;
        firstPageRead = Math.max(firstPageRead, number);
        const start = place === undefined ? 0 : place + 1;
        const fresh = listed.filter(({ id }) => (places.get(id) ?? start) >= start);
        // Jobs between those of the page have been deleted. If it shows none that was known to follow, there may be any number between.
        const known = fresh.flatMap(({ id }) => places.get(id) ?? []);
        const end = known.length > 0 ? Math.max(...known) + 1 : fresh.length > 0 ? order.length : start;
        const isNew = known.length < fresh.length && start + fresh.length <= MOST_REMEMBERED;
        missed(page, ids, more, isNew);
        setOrder([...order.slice(0, start), ...fresh, ...order.slice(end)]);
        return isNew;
      };
    },

    forget(id) {
      setOrder(order.filter((job) => job.id !== id));
    },
  };
}
