import { z } from 'zod';
import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../time/clock.ts';
import type { CallbackAddress } from '../definition.ts';
import { refusalError } from '../http/errorTable.ts';
import { judge } from '../http/judge.ts';
import { createScrub } from '../http/secrets.ts';
import { createSharedAnswers } from '../http/shared.ts';
import { createStatusReader } from '../http/statusTable.ts';
import { unlessGivenUp } from '../http/unlessGivenUp.ts';
import type { OpenHttp } from '../http/upstreamHttp.ts';
import { type Answer, type CancelOutcome, type Handle, type Provider, UpstreamError } from '../provider.ts';
import type { RateShare } from '../rateShare.ts';
import { ERRORS, refusalOf, UNKNOWN_TASK } from './errors.ts';
import { readList } from './find.ts';
import { createBody } from './request.ts';
import { createStatusBatcher, type TaskOrMissing } from './statusBatcher.ts';
import { callbackUrl, readCallback } from './webhook.ts';
import { answerOf, readPage, readTask, STATUSES, unreadable } from './wire.ts';

interface ArkOptions {
  readonly apiKey: string;
  /** With its version: `https://ark.cn-beijing.volces.com/api/v3`. */
  readonly baseUrl: string;
  /** Ids in one list request. */
  readonly batch: number;
  /** What the account allows beside the lists. */
  readonly queriesPerSecond: number;
  /** Whether tasks are deleted at Ark once their videos are ours. */
  readonly discards: boolean;
  readonly callback: CallbackAddress | undefined;
  /** This node's part of the account's rates. */
  readonly share?: RateShare | undefined;
  readonly openHttp: OpenHttp;
  readonly log: Log;
  readonly clock: Clock;
}

const TASKS = '/contents/generations/tasks';
/** How old a page of the list may be for a search: jobs that it does not show yet are found by the next look. Milliseconds. */
const PAGE_FRESH_MS = 3_000;
/** For a page, with its turn within the list's limit. Milliseconds. */
const PAGE_MS = 60_000;

const Created = z.object({ id: z.string().min(1) });

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
  const pages = createSharedAnswers<ReturnType<typeof readPage>>(PAGE_FRESH_MS);
  const pathOf = (id: string): string => `${TASKS}/${encodeURIComponent(id)}`;
  const batcher = createStatusBatcher({
    get,
    async list(ids, signal) {
      const query = new URLSearchParams([
        ...ids.map((id): [string, string] => ['filter.task_ids', id]),
        ['page_size', String(ids.length)],
      ]);
      const { body } = await http.call({ method: 'GET', path: `${TASKS}?${query}`, signal });
      return readPage(body).tasks;
    },
    batch: options.batch,
    closing: closing.signal,
    queriesPerSecond: options.queriesPerSecond,
    share: options.share,
    log,
  });

  /** A page of the list for those who look for a lost submission: after an outage many do, and one page serves them all. */
  const page = (path: string) =>
    pages.of(path, async () => {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(PAGE_MS)]);
      await batcher.lists.turn(signal);
      return readPage((await http.call({ method: 'GET', path, signal })).body);
    });

  async function get(id: string, signal: AbortSignal): Promise<TaskOrMissing> {
    try {
      const { body } = await http.call({ method: 'GET', path: pathOf(id), signal });
      return readTask(body);
    } catch (error) {
      if (isUnknownTask(error)) return 'missing';
      throw error;
    }
  }

  function answer(task: TaskOrMissing): Answer {
    if (task === 'missing') return { state: 'missing', detail: 'Ark knows no task of this id' };
    const reply = answerOf(task, meaningOf(task.status, task.id), scrub);
    if (reply.state === 'succeeded') {
      log.info(
        { event: 'upstream.usage_reported', upstreamId: task.id, tokens: task.usage?.total_tokens },
        'tokens billed by Ark',
      );
    }
    return reply;
  }

  /**
   * `DELETE` stops a queued task, and erases the record of a finished one together with its video: it is sent only where the
   * task was queued a moment ago, and what it did is looked up.
   */
  async function cancel({ upstreamId }: Handle, signal: AbortSignal): Promise<CancelOutcome> {
    const before = await batcher.now(upstreamId, signal);
    const meaning = before === 'missing' ? 'missing' : meaningOf(before.status, upstreamId);
    if (meaning === 'cancelled') return 'cancelled';
    if (meaning !== 'queued') return 'too_late';
    try {
      await http.call({ method: 'DELETE', path: pathOf(upstreamId), signal });
    } catch (error) {
      // 409: it began to run in between.
      if (error instanceof UpstreamError && error.cause === 'InvalidAction.RunningTaskDeletion')
        return 'too_late';
      throw error;
    }
    const after = await batcher.now(upstreamId, signal);
    if (after === 'missing') {
      log.warn(
        { event: 'upstream.job_erased', upstreamId },
        'a task finished while it was being cancelled, and Ark erased it',
      );
      return 'cancelled';
    }
    return meaningOf(after.status, upstreamId) === 'cancelled' ? 'cancelled' : 'pending';
  }

  return {
    async start(job, sending) {
      const json = await createBody(job, callback && callbackUrl(callback));
      const { body } = await http.call({ method: 'POST', path: TASKS, json, ...sending });
      const created = Created.safeParse(body);
      if (!created.success) throw unreadable('the id of a task', body);
      return { upstreamId: created.data.id, state: 'queued' };
    },
    async ask({ upstreamId }, signal) {
      return answer(await batcher.one(upstreamId, signal));
    },
    async askMany(handles, signal) {
      const task = await batcher.many(
        handles.map(({ upstreamId }) => upstreamId),
        signal,
      );
      return new Map([...task].map(([id, task]) => [id, answer(task)]));
    },
    // The link is signed: TOS refuses a request that shows a key as well.
    open: (_handle, { ref }, offset, signal) => http.open(ref, { offset, signal, authorised: false }),
    cancel,
    async find(lost, signal) {
      const read = (filter: Readonly<Record<string, string>>) =>
        unlessGivenUp(page(`${TASKS}?${new URLSearchParams(filter)}`), signal);
      return judge(await readList(lost, { page: read }), lost);
    },
    upstreamTime: http.upstreamTime,
    ...(options.discards
      ? {
          async discard({ upstreamId }: Handle, signal: AbortSignal) {
            await http.call({ method: 'DELETE', path: pathOf(upstreamId), signal }).catch((error) => {
              if (!isUnknownTask(error)) throw error;
            });
          },
        }
      : {}),
    ...(callback ? { verifyCallback: async (notice) => readCallback(notice, callback) } : {}),
    async close() {
      closing.abort();
      await http.close();
    },
  };
}

/** The code that Ark gave stands in `cause`. */
function isUnknownTask(error: unknown): boolean {
  return error instanceof UpstreamError && typeof error.cause === 'string' && UNKNOWN_TASK.test(error.cause);
}
