import type { Log } from '../../observability/log.ts';
import { isOwnTrouble } from '../http/lostCall.ts';
import { type Answer, type DueJob, type Handle, type Provider, UpstreamError } from '../provider.ts';
import { createListOrder, type ListedJob, type ListOrder, type Page } from './listOrder.ts';

/** A page of the list as its upstream has answered it. */
export interface ListAnswer {
  /** In the order of the list. Without an answer: the job has ended, and only a poll of it tells how. */
  readonly jobs: readonly (ListedJob & { readonly answer: Answer | undefined })[];
  /** Whether the list goes on behind it, if the upstream tells. */
  readonly more: boolean | undefined;
}

interface Parts {
  /** The jobs on one page. */
  readonly pageSize: number;
  /** Reads a page. All jobs of it have one `listOf`. */
  read(page: Page, signal: AbortSignal): Promise<ListAnswer>;
  poll(handle: Handle, signal: AbortSignal): Promise<Answer>;
  /** See `createListOrder`. */
  noBreakBetween?(job: ListedJob, next: ListedJob): boolean;
  /** The name of the list that has a job; undefined if none has it. */
  listOf(handle: Handle): string | undefined;
  readonly log: Pick<Log, 'warn'>;
}

/** How many lists in a row may bring nothing, and no new part of the list, before jobs are polled one by one. */
const PATIENCE = 5;
/** After so many further requests the list is tried again: it may have been mended, and one request in a thousand costs little. */
const RESTING = 1000;
/** So many if it failed as a whole upstream may fail. */
const RESTING_IN_OUTAGE = 16;

/** Jobs of which it is remembered that they are open: some hundred bytes each. */
const MOST_OPEN = 100_000;

const NOTHING_READ = { jobs: undefined, more: undefined };

/**
 * Polls many jobs with pages of the list, which answer about every job on them. A call reads one page; where no page has two of the jobs, or
 * the list is of no use, it polls the first job instead. Jobs that have ended, and whose end the list does not tell, are polled as well.
 */
export function createPollByList(parts: Parts): Required<Pick<Provider, 'poll' | 'pollMany' | 'chooseJobs'>> {
  const { read } = parts;
  /** Jobs that were wanted and of which no end is known. A page that shows their end is a reason to poll them, whether it was read for them or not. */
  const open = new Map<string, Handle>();
  const orders = new Map<string, ListOrder>();
  const usefulness = createUsefulness(parts.log);

  function orderOf(list: string): ListOrder {
    const order = orders.get(list) ?? createListOrder(parts.pageSize, parts.noBreakBetween);
    orders.set(list, order);
    return order;
  }

  async function poll(handle: Handle, signal: AbortSignal): Promise<Answer> {
    const answer = await parts.poll(handle, signal);
    if (answer.state !== 'queued' && answer.state !== 'in_progress') open.delete(handle.upstreamId);
    return answer;
  }

  function want(due: readonly DueJob[]): void {
    for (const { handle } of due) {
      open.set(handle.upstreamId, handle);
      const [oldest] = open.keys();
      if (open.size > MOST_OPEN && oldest !== undefined) open.delete(oldest);
    }
  }

  /** The page that is worth more than a poll of any one of the jobs, if there is one. */
  function choose(due: readonly DueJob[]): { readonly page: Page; readonly order: ListOrder } | undefined {
    if (usefulness.passes()) return undefined;
    const lists = Map.groupBy(due, ({ handle }) => parts.listOf(handle));
    let best: { page: Page; order: ListOrder } | undefined;
    let most = Math.max(...due.map(({ expectedDelayMs }) => expectedDelayMs));
    for (const [list, jobs] of lists) {
      if (list === undefined) continue;
      const order = orderOf(list);
      const { page, delayMs } = order.bestPage(jobs);
      if (page.jobs.length < 2 || delayMs <= most) continue;
      best = { page, order };
      most = delayMs;
    }
    return best;
  }

  /** Throws if the failure is not one of the list alone. */
  function listFailed(error: unknown, { after }: Page, order: ListOrder): void {
    if (!(error instanceof UpstreamError) || isOwnTrouble(error)) throw error;
    const { reason, detail } = error;
    if (reason === 'invalid_request' || reason === 'auth_failed') {
      // No such call, or a key that may not list. Behind a job, the upstream may only not know that job.
      if (after === undefined) usefulness.rest(detail);
      else {
        order.forget(after.id);
        usefulness.failed(detail);
      }
      return;
    }
    // Other failures may pass. If they do not, jobs must not wait for the list until their deadline.
    const isOut = reason === 'upstream_unavailable' || reason === 'upstream_timeout';
    if (isOut) usefulness.failed(detail, RESTING_IN_OUTAGE);
    if (!isOut || !usefulness.isResting()) throw error;
  }

  /** Adds the answers of a page. Returns those of our jobs that it shows without one. */
  async function readPage(
    page: Page,
    order: ListOrder,
    answers: Map<string, Answer>,
    signal: AbortSignal,
  ): Promise<readonly Handle[]> {
    const finishRead = order.startRead(page);
    const { jobs, more } = await read(page, signal).catch((error) => {
      listFailed(error, page, order);
      return NOTHING_READ;
    });
    if (!jobs) return [];
    const isNew = finishRead({ listed: jobs.map(({ id, createdAt }) => ({ id, createdAt })), more });
    const ids = new Set(jobs.map(({ id }) => id));
    const own = jobs.filter(({ id }) => open.has(id)).length;
    const shown = page.jobs.filter(({ upstreamId }) => ids.has(upstreamId)).length;
    if (own >= 2) usefulness.helped();
    else if (!isNew) usefulness.failed(`a page has ${shown} of ${page.jobs.length} jobs`);
    for (const { id, answer } of jobs) if (answer) answers.set(id, answer);
    return jobs.flatMap(({ id }) => (answers.has(id) ? [] : (open.get(id) ?? [])));
  }

  /** Answers are kept, and jobs without one are polled again later. But a refused key concerns all jobs. */
  async function pollEach(handles: readonly Handle[], answers: Map<string, Answer>, signal: AbortSignal) {
    const polled = await Promise.allSettled(
      handles.map(async (handle) => answers.set(handle.upstreamId, await poll(handle, signal))),
    );
    const failure = polled.find((one) => one.status === 'rejected')?.reason;
    const isKey = failure instanceof UpstreamError && failure.reason === 'auth_failed';
    if (failure !== undefined && (answers.size === 0 || isKey)) throw failure;
  }

  return {
    poll,

    chooseJobs(due) {
      want(due);
      return choose(due)?.page.jobs ?? due.slice(0, 1).map(({ handle }) => handle);
    },

    async pollMany(handles, signal) {
      const [first] = handles;
      if (!first) return new Map();
      const due = handles.map((handle) => ({ handle, expectedDelayMs: 1 }));
      want(due);
      const chosen = choose(due);
      if (!chosen) return new Map([[first.upstreamId, await poll(first, signal)]]);
      const { page, order } = chosen;
      const answers = new Map<string, Answer>();
      const ended = await readPage(page, order, answers, signal);
      await pollEach(ended, answers, signal);
      return answers;
    },
  };
}

/** Whether an upstream's list answers more than polls of single jobs do. If not, it rests for a while. */
function createUsefulness(log: Pick<Log, 'warn'>) {
  /** Lists in a row that brought no more than a poll of one job. */
  let failures = 0;
  let resting = 0;
  let isLogged = false;

  function rest(detail: string | undefined, requests = RESTING): void {
    // After that, one more failure is enough.
    failures = PATIENCE - 1;
    resting = requests;
    if (isLogged) return;
    isLogged = true;
    log.warn(
      { event: 'upstream.list_refused', detail },
      'the list of jobs is of no use; they are polled one by one',
    );
  }

  return {
    rest,
    failed(detail: string | undefined, requests?: number): void {
      failures += 1;
      if (failures >= PATIENCE) rest(detail, requests);
    },
    helped(): void {
      failures = 0;
    },
    isResting: () => resting > 0,
    /** Call it once for each request: whether the list is passed over. */
    passes(): boolean {
      if (resting === 0) return false;
      resting -= 1;
      return true;
    },
  };
}
