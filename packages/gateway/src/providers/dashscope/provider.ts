import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../time/clock.ts';
import { createScrub } from '../http/secrets.ts';
import type { OpenHttp } from '../http/upstreamHttp.ts';
import { createPollByList } from '../lists/pollByList.ts';
import { refusalError } from '../mapping/errorTable.ts';
import { type Answer, type CancelOutcome, type Handle, type Provider, UpstreamError } from '../provider.ts';
import { createRateLimiter } from '../rates/limiter.ts';
import type { OpenPermits, Rate } from '../rates/permits.ts';
import { judge } from '../search/judge.ts';
import { createDashscopeClient } from './client.ts';
import { CALL_ERRORS, refusalOf } from './errors.ts';
import { createListReader } from './find.ts';
import { createPageReader, PAGE_SIZE } from './list.ts';
import { refusedOf, submissionOf } from './request.ts';
import { createAnswerReader } from './wire.ts';

interface DashscopeOptions {
  /** Without a slash at the end. */
  readonly baseUrl: string;
  readonly apiKey: string;
  /** What the Alibaba account allows for lists, polls and cancellations together. */
  readonly pollsPerSecond: number;
  readonly permits: OpenPermits;
  readonly openHttp: OpenHttp;
  readonly log: Log;
  readonly clock: Clock;
}

/** Requests take different times to arrive. Without extra space between them, a second at the upstream could see one too many. */
const ROOM = 1.05;

/**
 * As even as a busy machine can: timers are late, and without a poll in hand for each fifty milliseconds of it, what is late is lost. No second
 * sees more than the limit.
 */
function rateOf(pollsPerSecond: number): Rate {
  const inHand = Math.floor(pollsPerSecond / 20);
  return { perSecond: (pollsPerSecond - inHand) / ROOM, burst: 1 + inHand };
}

/** Wan on Alibaba DashScope (Model Studio). Sources: "Asynchronous task management API" and the API references of Wan. */
export function createDashscopeProvider(options: DashscopeOptions): Provider {
  const { baseUrl, apiKey, log, clock } = options;
  const secrets = [apiKey];
  const http = options.openHttp({
    baseUrl,
    headers: () => ({ authorization: `Bearer ${apiKey}` }),
    secrets,
    refusal: refusalOf,
    error: (refusal) => refusalError(CALL_ERRORS, refusal),
  });
  const client = createDashscopeClient({
    http,
    scrub: createScrub(secrets),
    pollLimiter: createRateLimiter((wanted) =>
      options.permits('dashscope.poll', rateOf(options.pollsPerSecond), wanted),
    ),
  });
  const reader = createAnswerReader(log, clock);
  const parts = { client, reader, clock };
  const readList = createListReader(parts);

  async function poll(handle: Handle, signal: AbortSignal): Promise<Answer> {
    return reader.answerOf(await client.task(handle.upstreamId, signal), handle);
  }

  async function cancel(handle: Handle, signal: AbortSignal): Promise<CancelOutcome> {
    try {
      await client.cancel(handle.upstreamId, signal);
      return 'cancelled';
    } catch (error) {
      // "Only tasks in PENDING can be cancelled." A task that an earlier, lost call cancelled gets the same refusal.
      if (!(error instanceof UpstreamError) || error.reason !== 'invalid_request') throw error;
      const { output } = await client.task(handle.upstreamId, signal);
      const meaning = reader.meaningOf(output.status, handle.upstreamId);
      if (meaning === 'queued') throw error;
      return meaning === 'cancelled' ? 'cancelled' : 'too_late';
    }
  }

  return {
    async submit(job, sending) {
      const { path, body } = await submissionOf(job);
      const { id, status } = await client.submit(path, body, sending);
      return {
        upstreamId: id,
        state: reader.meaningOf(status, id) === 'in_progress' ? 'in_progress' : 'queued',
      };
    },
    refusedOptions: refusedOf,
    ...createPollByList({ pageSize: PAGE_SIZE, ...createPageReader(parts), poll, log }),
    // The link is signed by OSS, so the key is not sent.
    open: (_handle, { ref }, offset, signal) => http.open(ref, { offset, signal, authorised: false }),
    cancel,
    find: async (lost, signal) => judge(await readList(lost, signal), lost),
    upstreamTime: http.upstreamTime,
    close: () => http.close(),
  };
}
