import { openBytes } from '../http/openResult.ts';
import type { UpstreamHttp } from '../http/upstreamHttp.ts';
import { type Handle, type Provider, UpstreamError } from '../provider.ts';
import type { Auth } from './auth.ts';
import { type Send, withQuery } from './client.ts';
import { textOf } from './errors.ts';
import { isLink, isPath } from './job.ts';
import { type FilledCall, fillCall, type Scope } from './request.ts';
import type { ProviderFile } from './schema.ts';

interface ResultParts {
  readonly file: ProviderFile;
  readonly baseUrl: string;
  /** Hosts of results, instead of those of the file. */
  readonly resultHosts: readonly string[] | undefined;
  readonly http: Pick<UpstreamHttp, 'open'>;
  readonly auth: Pick<Auth, 'query' | 'refused'>;
  readonly send: Send;
  readonly scopeOf: (handle: Handle) => Scope | undefined;
  /** `job`: what the upstream says of the job, if it knows it. */
  readonly pollJob: (handle: Handle, signal: AbortSignal) => Promise<{ readonly job?: unknown }>;
}

/** Opens the video of a job: behind a link, at a call of the API, or inside an answer. */
export function createOpenResult(parts: ResultParts): Provider['open'] {
  const { file, baseUrl, http, auth, send, scopeOf, pollJob } = parts;
  const { result } = file.job;
  const hosts = parts.resultHosts ?? ('hosts' in result ? result.hosts : undefined);

  async function locate(
    handle: Handle,
    ref: string,
    signal: AbortSignal,
  ): Promise<string | Buffer | FilledCall> {
    const scope = scopeOf(handle) ?? {};
    if ('download' in result) return fillCall(result.download, scope, 'GET');
    if ('call' in result) {
      const { body } = await send(await fillCall(result.call, scope, 'GET'), { signal });
      return (await textOf(result.url, body)) ?? lost('the answer has no link');
    }
    if ('url' in result) return ref;
    const { job } = await pollJob(handle, signal);
    const text = await textOf(result.base64, job);
    return text === undefined ? lost('the answer no longer contains the video') : Buffer.from(text, 'base64');
  }

  return async (handle, { ref }, offset, signal) => {
    const where = await locate(handle, ref, signal);
    if (Buffer.isBuffer(where)) return openBytes(where, offset);
    const path = typeof where === 'string' ? (isPath(where) ? where : undefined) : where.path;
    if (path !== undefined) {
      const url = `${baseUrl}${withQuery(path, auth.query)}`;
      return http.open(url, { offset, signal, authorised: true }).catch((error: unknown) => {
        // The download is tried again.
        if (error instanceof UpstreamError && error.reason === 'auth_failed') auth.refused();
        throw error;
      });
    }
    if (typeof where !== 'string' || !isLink(where)) return lost('the result is no link');
    const allowed = hosts && ((url: URL) => hosts.some((host) => isHost(url.hostname, host)));
    return http.open(where, { offset, signal, authorised: false, ...(allowed ? { allowed } : {}) });
  };
}

const lost = (detail: string): never => {
  throw new UpstreamError('result_lost', { detail });
};

const isHost = (hostname: string, allowed: string): boolean =>
  allowed.startsWith('*.') ? hostname.endsWith(allowed.slice(1)) : hostname === allowed;
