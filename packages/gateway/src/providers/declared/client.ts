import type { UpstreamHttp } from '../http/upstreamHttp.ts';
import { valueAt } from '../mapping/jsonPath.ts';
import { MAKES_NOTHING, type MaySend, UpstreamError } from '../provider.ts';
import type { Auth } from './auth.ts';
import { type Errors, read } from './errors.ts';
import type { Expression } from './expressions.ts';
import type { FilledCall } from './request.ts';

/** An answer that is no error. */
export interface Answered {
  readonly body: unknown;
  /** See `pollAfterMs` in `http/retryAfter.ts`. */
  readonly pollAfterMs: number | undefined;
}

interface Sending {
  readonly signal: AbortSignal;
  /** For a call that may create a job. */
  readonly maySend?: MaySend;
  readonly maxBytes?: number;
}

export type Send = (call: FilledCall, sending: Sending) => Promise<Answered>;

/** Sends one request. Throws `UpstreamError`, `NoSuchJob` among them, also for an error that comes with 2xx. */
export const createSend =
  (http: Pick<UpstreamHttp, 'call'>, auth: Auth, errors: Errors): Send =>
  async ({ method, path, ...rest }, { signal, maySend = MAKES_NOTHING, maxBytes }) => {
    const wanted = {
      ...rest,
      path: withQuery(path, auth.query),
      signal,
      ...(maxBytes === undefined ? {} : { maxBytes }),
    };
    const { body, pollAfterMs } = await http.call(
      method === 'GET' || method === 'DELETE' ? { ...wanted, method } : { ...wanted, method, maySend },
    );
    await errors.check(body);
    return { body, pollAfterMs };
  };

/** The part of an answer that is about the job: all of it if the file does not say. */
export const partOf = (expression: Expression | undefined, body: unknown): Promise<unknown> =>
  read(async () => (expression ? await expression.evaluate(body) : body));

/**
 * The list at a path of an answer; `$` is the answer itself. Throws `UpstreamError` if there is none, because an empty list would say that
 * there are no jobs.
 */
export function listAt(path: string, body: unknown): readonly unknown[] {
  const list = path === '$' ? body : valueAt(body, path);
  if (Array.isArray(list)) return list;
  throw new UpstreamError('upstream_unavailable', { detail: `an answer without a list of jobs at ${path}` });
}

/** The path with more members in its query. */
export function withQuery(path: string, query: Readonly<Record<string, string>>): string {
  const added = new URLSearchParams(query).toString();
  return added === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${added}`;
}
