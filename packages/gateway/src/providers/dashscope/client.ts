import type { UpstreamCall } from '../http/calls.ts';
import { excerpt, type Scrub } from '../http/secrets.ts';
import type { UpstreamHttp } from '../http/upstreamHttp.ts';
import type { Json } from '../mapping/body.ts';
import { MAKES_NOTHING, type Sending, UpstreamError } from '../provider.ts';
import type { RateLimiter } from '../rates/limiter.ts';
import { fieldsOf, hiddenError, refusalOf } from './errors.ts';

/** DashScope's calls. Each throws `UpstreamError`, also for errors that come with status 200. */
export interface DashscopeClient {
  submit(path: string, body: Json, sending: Sending): Promise<TaskOutput>;
  task(id: string, signal: AbortSignal): Promise<TaskAnswer>;
  list(query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<ListPage>;
  cancel(id: string, signal: AbortSignal): Promise<void>;
}

/** `output` of a task, as far as it is read. */
export interface TaskOutput {
  readonly id: string;
  readonly status: string;
  readonly videoUrl: string | undefined;
  readonly origPrompt: string | undefined;
  readonly code: string | undefined;
  readonly message: string | undefined;
  /** Local times without an offset, read as if they were UTC. Milliseconds. */
  readonly localTimes: LocalTimes;
}

interface LocalTimes {
  readonly submitted: number | undefined;
  readonly started: number | undefined;
  readonly ended: number | undefined;
}

export interface TaskAnswer {
  readonly output: TaskOutput;
  /** See `pollAfterMs`. */
  readonly pollAfterMs: number | undefined;
  /** The length of the video in seconds, if stated. */
  readonly seconds: number | undefined;
  /** The seconds of input videos that are billed, if stated. */
  readonly inputSeconds: number | undefined;
}

/** A page of the list of tasks. It has statuses but no results and no prompts. */
export interface ListPage {
  readonly items: readonly ListItem[];
  readonly totalPages: number;
}

export interface ListItem {
  readonly id: string;
  readonly status: string;
  readonly model: string;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  /** When a worker took the task, milliseconds UTC. */
  readonly startedAt: number | undefined;
}

export function createDashscopeClient(parts: {
  readonly http: UpstreamHttp;
  readonly scrub: Scrub;
  /** Keeps the polls of the account within its rate. */
  readonly pollLimiter: RateLimiter;
}): DashscopeClient {
  const { http, scrub, pollLimiter } = parts;

  /** `whole` tells a complete answer from an error that came with status 200. */
  async function call(wanted: UpstreamCall, whole: (body: Fields) => boolean): Promise<Told> {
    const answer = await http.call(wanted);
    const body = fieldsOf(answer.body);
    if (whole(body)) return { body, pollAfterMs: answer.pollAfterMs };
    const { code, message } = refusalOf(body);
    if (code === undefined && message === undefined) {
      throw new UpstreamError('upstream_unavailable', {
        detail: `an incomplete answer: ${excerpt(JSON.stringify(body), scrub)}`,
      });
    }
    throw hiddenError({
      ...(code === undefined ? {} : { code }),
      ...(message === undefined ? {} : { message: scrub(message) }),
    });
  }

  async function poll(wanted: UpstreamCall, whole: (body: Fields) => boolean): Promise<Told> {
    await pollLimiter.turn(wanted.signal);
    return call(wanted, whole);
  }

  const outputOf = ({ output }: Fields): TaskOutput => {
    const fields = fieldsOf(output);
    const message = textOf(fields.message);
    return {
      id: textOf(fields.task_id) ?? '',
      status: textOf(fields.task_status) ?? '',
      videoUrl: textOf(fields.video_url),
      origPrompt: textOf(fields.orig_prompt),
      code: textOf(fields.code),
      message: message === undefined ? undefined : scrub(message),
      localTimes: {
        submitted: localTimeOf(fields.submit_time),
        started: localTimeOf(fields.scheduled_time),
        ended: localTimeOf(fields.end_time),
      },
    };
  };

  return {
    async submit(path, json, sending) {
      // "Without this header: current user api does not support synchronous calls".
      const headers = { 'X-DashScope-Async': 'enable' };
      const { body } = await call(
        { method: 'POST', path, json, headers, ...sending },
        (told) => outputOf(told).id !== '',
      );
      return outputOf(body);
    },
    async task(id, signal) {
      const path = `/api/v1/tasks/${encodeURIComponent(id)}`;
      const get = { method: 'GET', path, signal } as const;
      const { body, pollAfterMs } = await poll(get, (told) => outputOf(told).status !== '');
      const { usage } = body;
      const inputSeconds = numberOf(fieldsOf(usage).input_video_duration);
      return { output: outputOf(body), seconds: secondsOf(body), inputSeconds, pollAfterMs };
    },
    async list(query, signal) {
      const path = `/api/v1/tasks/?${new URLSearchParams(query)}`;
      const { body } = await poll({ method: 'GET', path, signal }, ({ data }) => Array.isArray(data));
      return {
        items: (body.data as readonly unknown[]).map(itemOf),
        totalPages: numberOf(body.total_page) ?? 1,
      };
    },
    async cancel(id, signal) {
      const path = `/api/v1/tasks/${encodeURIComponent(id)}/cancel`;
      const post = { method: 'POST', path, signal, maySend: MAKES_NOTHING } as const;
      await poll(post, ({ code }) => textOf(code) === undefined);
    },
  };
}

type Fields = Readonly<Record<string, unknown>>;

interface Told {
  readonly body: Fields;
  readonly pollAfterMs: number | undefined;
}

/** Names of the delivered length: of 2.6 and later, of 2.5 and earlier, and the total of 2.7, which includes inputs. */
const SECONDS = ['output_video_duration', 'video_duration', 'duration'] as const;

function secondsOf({ usage }: Fields): number | undefined {
  const told = fieldsOf(usage);
  return SECONDS.map((name) => numberOf(told[name])).find((seconds) => seconds !== undefined && seconds > 0);
}

function itemOf(item: unknown): ListItem {
  const { task_id, status, model_name, gmt_create, start_time } = fieldsOf(item);
  return {
    id: textOf(task_id) ?? '',
    status: textOf(status) ?? '',
    model: textOf(model_name) ?? '',
    createdAt: numberOf(gmt_create) ?? Number.NaN,
    startedAt: numberOf(start_time),
  };
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

/** `2025-09-25 11:07:28.590` as if it were UTC, in milliseconds; undefined if it is no such time. */
function localTimeOf(value: unknown): number | undefined {
  const text = textOf(value);
  if (text === undefined || !/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?$/.test(text)) return undefined;
  const ms = Date.parse(`${text.replace(' ', 'T')}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}
