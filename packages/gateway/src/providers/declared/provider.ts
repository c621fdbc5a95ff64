import pLimit from 'p-limit';
import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../time/clock.ts';
import type { CallbackAddress } from '../definition.ts';
import { withPollAfter } from '../http/retryAfter.ts';
import { createScrub } from '../http/secrets.ts';
import type { OpenHttp } from '../http/upstreamHttp.ts';
import { createStatusReader } from '../mapping/statusTable.ts';
import {
  type Abilities,
  type Answer,
  type CancelOutcome,
  type Handle,
  type Provider,
  TooManyCallbacks,
  UpstreamError,
} from '../provider.ts';
import { createAuth } from './auth.ts';
import { callbackUrl, readCallback } from './callback.ts';
import { createSend, partOf } from './client.ts';
import { createErrors, NoSuchJob, read, textOf } from './errors.ts';
import { findJob, isByKey } from './find.ts';
import { readId, writeId } from './id.ts';
import { createReadJob, NoVideo } from './job.ts';
import { createKeyProof, findVersionOf } from './keyProof.ts';
import { createPollMany } from './many.ts';
import { fillCall, refusedOf, type Scope, submissionScope, withCallersOptions } from './request.ts';
import { createOpenResult } from './results.ts';
import type { ProviderFile } from './schema.ts';
import { uploadFiles } from './upload.ts';

interface DeclaredOptions {
  readonly file: ProviderFile;
  readonly baseUrl: string;
  /** By the names that the file gives them. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Hosts of results, instead of those of the file. */
  readonly resultHosts: readonly string[] | undefined;
  readonly callback: CallbackAddress | undefined;
  readonly clock: Clock;
  readonly openHttp: OpenHttp;
  readonly log: Log;
}

/** The key of an attempt that is never made. */
const NO_KEY = '0'.repeat(32);

/** Callbacks that wait to be checked. A genuine one that is refused is sent again. */
const MOST_CALLBACKS = 100;

/** The most bytes of an answer with a video in it, as base64. */
const MAX_INLINE_BYTES = 64 * 2 ** 20;

/** What a file's adapter can do follows from the clauses that it has. */
export const abilitiesOf = ({ cancel, find, many, callback, job, self_hosted }: ProviderFile): Abilities => ({
  cancel: cancel?.stops ?? 'none',
  find: !find ? 'none' : 'by_key' in find || find.list.newest_first ? 'full' : 'unique',
  resumeDownload: true,
  batchPolling: many !== undefined,
  callbacks: callback !== undefined,
  hints: false,
  progress: job.progress !== undefined,
  queuePosition: job.queue_position !== undefined,
  startedAt: job.started_at !== undefined,
  endedAt: job.ended_at !== undefined,
  pollAfter: true,
  discard: false,
  resumeJob: false,
  upstreamTime: true,
  fleet: self_hosted,
});

/** An adapter for the upstream that a file declares. */
export function createDeclaredProvider(options: DeclaredOptions): Provider {
  const { file, baseUrl, secrets, callback, clock, log } = options;
  // An access token joins them.
  const known = Object.values(secrets);
  const place = known.length;
  const learnt = (token: string) => {
    known[place] = token;
  };
  const scrub = createScrub(known);
  const errors = createErrors(file.errors, scrub);
  const http = options.openHttp({
    baseUrl,
    headers: async (signal) => ({ ...file.headers, ...(await auth.headers(signal)) }),
    secrets: known,
    refusal: errors.refusal,
    error(refusal) {
      if (refusal.status === 401) auth.refused();
      return errors.error(refusal);
    },
  });
  const auth = createAuth({
    auth: file.auth,
    secrets,
    clock,
    upstreamTime: http.upstreamTime,
    raw: http.raw,
    scrub,
    learnt,
  });
  const send = createSend(http, auth, errors);
  const meaningOf = createStatusReader(file.job.statuses, log);
  const readJob = createReadJob({ clause: file.job, errors, meaningOf, scrub, log });

  const inline = 'base64' in file.job.result ? { maxBytes: MAX_INLINE_BYTES } : {};

  /** The scope of a call about a job; undefined if another file made its id. */
  function scopeOf({ upstreamId, upstreamModel, idempotencyKey }: Handle): Scope | undefined {
    const id = readId(file, upstreamId);
    return id === undefined ? undefined : { id, model: upstreamModel, key: idempotencyKey };
  }

  async function pollJob(handle: Handle, signal: AbortSignal) {
    const scope = scopeOf(handle);
    if (!scope) return { answer: { state: 'missing', detail: 'an id of another provider' } as const };
    try {
      const call = await fillCall(file.poll, scope, 'GET');
      const { body, pollAfterMs } = await send(call, { signal, ...inline });
      const job = await partOf(file.poll.job, body);
      return { job, answer: withPollAfter(await read(() => readJob(job, handle.upstreamId)), pollAfterMs) };
    } catch (error) {
      if (!(error instanceof NoSuchJob)) throw error;
      return { answer: { state: 'missing', ...(error.detail ? { detail: error.detail } : {}) } as const };
    }
  }

  async function poll(handle: Handle, signal: AbortSignal): Promise<Answer> {
    return (await pollJob(handle, signal)).answer;
  }

  async function stateOf(handle: Handle, signal: AbortSignal): Promise<Answer['state']> {
    try {
      return (await poll(handle, signal)).state;
    } catch (error) {
      if (error instanceof NoVideo) return 'succeeded';
      throw error;
    }
  }

  const { many, cancel, find, callback: hook } = file;
  const keyProof =
    find && isByKey(find) ? createKeyProof(file, 'by_key' in find ? find.by_key : find.list) : undefined;
  // Anyone can send callbacks: what is computed for them takes turns with everything else, one callback at a time.
  const callbackChecks = pLimit(1);
  const callbackKey = hook && (hook.verify.kind === 'hmac' ? secrets[hook.verify.secret] : callback?.token);
  return {
    async submit(job, { signal, maySend }) {
      const address = callback && hook && callbackKey !== undefined ? callbackUrl(callback, hook) : undefined;
      const scope = await submissionScope(job, file, address);
      await uploadFiles(file, scope, send, signal);
      const call = withCallersOptions(
        await fillCall(file.submit, scope, 'POST'),
        job.request,
        file.submit.options,
      );
      const { body } = await send(call, { signal, maySend });
      const made = await partOf(file.submit.job, body);
      const upstreamId = await read(() => writeId(file.job.id, made, { request: scope }));
      if (upstreamId === undefined)
        throw new UpstreamError('upstream_unavailable', {
          detail: 'a submission was answered without an id',
        });
      const word = await textOf(file.job.status, made);
      const runs = word !== undefined && meaningOf(word, upstreamId) === 'in_progress';
      return { upstreamId, state: runs ? 'in_progress' : 'queued' };
    },

    refusedOptions: (request, upstreamModel) =>
      refusedOf({ request, upstreamModel, idempotencyKey: NO_KEY }, file),

    poll,

    ...(many && { pollMany: createPollMany(many, { file, send, readJob }) }),

    open: createOpenResult({ ...options, http, auth, send, scopeOf, pollJob }),

    ...(cancel && {
      async cancel(handle, signal): Promise<CancelOutcome> {
        // A call that stops jobs may delete one that is over, with its video.
        const state = await stateOf(handle, signal);
        if (state !== 'queued' && (state !== 'in_progress' || cancel.stops === 'queued')) return 'too_late';
        try {
          await send(await fillCall(cancel, scopeOf(handle) ?? {}, 'POST'), { signal });
          return cancel.pending ? 'pending' : 'cancelled';
        } catch (error) {
          if (error instanceof UpstreamError && error.created === 'no' && error.retry === 'never')
            return 'too_late';
          throw error;
        }
      },
    }),

    ...(find && {
      find: (attempt, signal) =>
        findJob({ file, send, upstreamTime: http.upstreamTime, keyProof }, find, attempt, signal),
    }),
    ...(keyProof && { findVersion: findVersionOf(file, baseUrl, credentialsOf(file, secrets)) }),
    ...(hook &&
      callbackKey !== undefined && {
        verifyCallback(received) {
          if (callbackChecks.pendingCount >= MOST_CALLBACKS) throw new TooManyCallbacks();
          return callbackChecks(() =>
            readCallback(received, hook, file, { key: callbackKey, address: callback?.url }),
          );
        },
      }),
    upstreamTime: http.upstreamTime,
    ...(file.self_hosted && { reach: http.reach }),
    close: () => http.close(),
  };
}

/** Those that the upstream knows the account by. The secret of callbacks is not one: a change of it changes no job. */
const credentialsOf = ({ callback }: ProviderFile, secrets: DeclaredOptions['secrets']): string[] =>
  Object.entries(secrets)
    .filter(([name]) => callback?.verify.kind !== 'hmac' || callback.verify.secret !== name)
    .map(([, value]) => value);
