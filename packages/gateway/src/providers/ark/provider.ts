import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../time/clock.ts';
import type { CallbackAddress } from '../definition.ts';
import { withPollAfter } from '../http/retryAfter.ts';
import { createScrub } from '../http/secrets.ts';
import { unlessGivenUp } from '../http/unlessGivenUp.ts';
import type { OpenHttp } from '../http/upstreamHttp.ts';
import { refusalError } from '../mapping/errorTable.ts';
import { createStatusReader, type StatusReader } from '../mapping/statusTable.ts';
import type { Answer, CancelOutcome, Provider } from '../provider.ts';
import type { OpenPermits } from '../rates/permits.ts';
import { judge } from '../search/judge.ts';
import { createSharedAnswers } from '../search/sharedAnswers.ts';
import { type ArkClient, createArkClient } from './client.ts';
import { ERRORS, isTaskRunning, isUnknownTask, refusalOf } from './errors.ts';
import { readList } from './find.ts';
import { createBody, refusedOf } from './request.ts';
import { createStatusBatcher, type StatusBatcher } from './statusBatcher.ts';
import { callbackUrl, readCallback } from './webhook.ts';
import { answerOf, STATUSES, type TaskOrMissing, type TaskPage } from './wire.ts';

interface ArkOptions {
  readonly apiKey: string;
  /** With its version: `https://ark.cn-beijing.volces.com/api/v3`. */
  readonly baseUrl: string;
  /** Ids in one list request. */
  readonly batch: number;
  /** What the account allows in addition to lists. */
  readonly queriesPerSecond: number;
  /** Whether tasks are deleted at Ark once their videos are stored here. */
  readonly discards: boolean;
  readonly callback: CallbackAddress | undefined;
  readonly permits: OpenPermits;
  readonly openHttp: OpenHttp;
  readonly log: Log;
  readonly clock: Clock;
}

/** How old a page of the list may be for a search. The next search finds the jobs that the page does not show yet. Milliseconds. */
const PAGE_FRESH_MS = 3_000;
/** Time limit for a page, including the wait for the list's rate limit. Milliseconds. */
const PAGE_MS = 60_000;

/** Seedance by the video generation API of Volcengine Ark and BytePlus ModelArk. */
export function createArkProvider(options: ArkOptions): Provider {
  const { apiKey, log, callback } = options;
  const closing = new AbortController();
  const secrets = [apiKey, ...(callback ? [callback.token] : [])];
  const scrub = createScrub(secrets);
  const meaningOf = createStatusReader(STATUSES, log);
  const http = options.openHttp({
    baseUrl: options.baseUrl,
    headers: () => ({ authorization: `Bearer ${apiKey}` }),
    secrets,
    refusal: refusalOf,
    error: (refusal) => refusalError(ERRORS, refusal),
  });
  const client = createArkClient(http);
  const batcher = createStatusBatcher({
    get: client.task,
    list: client.tasks,
    batch: options.batch,
    closing: closing.signal,
    queriesPerSecond: options.queriesPerSecond,
    permits: options.permits,
    log,
  });

  /** A page for searches. Many searches start after an outage, and one page serves them all. */
  const pages = createSharedAnswers<TaskPage>(PAGE_FRESH_MS);
  const page = (query: URLSearchParams): Promise<TaskPage> =>
    pages.of(String(query), async () => {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(PAGE_MS)]);
      await batcher.lists.turn(signal);
      return client.list(query, signal);
    });

  function answer(task: TaskOrMissing): Answer {
    if (task === 'missing') return { state: 'missing', detail: 'Ark knows no task of this id' };
    const reply = answerOf(task, meaningOf(task.status, task.id), scrub);
    if (reply.state === 'succeeded') {
      log.info(
        { event: 'upstream.usage_reported', upstreamId: task.id, tokens: task.usage?.total_tokens },
        'tokens billed by Ark',
      );
    }
    return withPollAfter(reply, task.pollAfterMs);
  }

  async function discard(id: string, signal: AbortSignal): Promise<void> {
    try {
      await client.remove(id, signal);
    } catch (error) {
      if (!isUnknownTask(error)) throw error;
    }
  }

  return {
    async submit(job, sending) {
      const body = await createBody(job, callback && callbackUrl(callback));
      return { upstreamId: await client.create(body, sending), state: 'queued' };
    },
    refusedOptions: refusedOf,
    poll: async ({ upstreamId }, signal) => answer(await batcher.one(upstreamId, signal)),
    async pollMany(handles, signal) {
      const ids = handles.map(({ upstreamId }) => upstreamId);
      const tasks = await batcher.many(ids, signal);
      return new Map([...tasks].map(([id, task]) => [id, answer(task)]));
    },
    chooseJobs: (due) => due.slice(0, batcher.jobsPerPoll).map(({ handle }) => handle),
    // The link is signed. TOS refuses a signed request that carries a key as well.
    open: (_handle, { ref }, offset, signal) => http.open(ref, { offset, signal, authorised: false }),
    cancel: ({ upstreamId }, signal) => cancelQueued(upstreamId, signal, { client, batcher, meaningOf, log }),
    async find(lost, signal) {
      const read = (filter: Readonly<Record<string, string>>) =>
        unlessGivenUp(page(new URLSearchParams(filter)), signal);
      return judge(await readList(lost, { page: read }), lost);
    },
    upstreamTime: http.upstreamTime,
    ...(options.discards ? { discard: ({ upstreamId }, signal) => discard(upstreamId, signal) } : {}),
    ...(callback ? { verifyCallback: async (notice) => readCallback(notice, callback) } : {}),
    async close() {
      closing.abort();
      await http.close();
    },
  };
}

interface CancelParts {
  readonly client: ArkClient;
  readonly batcher: StatusBatcher;
  readonly meaningOf: StatusReader;
  readonly log: Pick<Log, 'warn'>;
}

/**
 * `DELETE` stops a queued task, but erases a finished one together with its video. So it is sent only if the task was queued a
 * moment ago, and a query afterwards shows what it did.
 */
async function cancelQueued(
  id: string,
  signal: AbortSignal,
  { client, batcher, meaningOf, log }: CancelParts,
): Promise<CancelOutcome> {
  const before = await batcher.now(id, signal);
  const meaning = before === 'missing' ? 'missing' : meaningOf(before.status, id);
  if (meaning === 'cancelled') return 'cancelled';
  if (meaning !== 'queued') return 'too_late';
  try {
    await client.remove(id, signal);
  } catch (error) {
    if (isTaskRunning(error)) return 'too_late';
    throw error;
  }
  const after = await batcher.now(id, signal);
  if (after === 'missing') {
    log.warn(
      { event: 'upstream.job_erased', upstreamId: id },
      'a task finished while it was being cancelled, and Ark erased it',
    );
    return 'cancelled';
  }
  return meaningOf(after.status, id) === 'cancelled' ? 'cancelled' : 'pending';
}
