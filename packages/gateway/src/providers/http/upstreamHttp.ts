import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { type Dispatcher, request } from 'undici';
import { createConnections, type ProxySettings } from '../../net/proxies.ts';
import type { Clock } from '../../time/clock.ts';
import type { Json } from '../mapping/body.ts';
import type { UpstreamRefusal } from '../mapping/errorTable.ts';
import { MAKES_NOTHING, type MaySend, type OpenedResult, UpstreamError } from '../provider.ts';
import { MAX_ANSWER_BYTES, readBounded } from './boundedBody.ts';
import { createLeaseGuard } from './leaseGuard.ts';
import { lostCall } from './lostCall.ts';
import { openResult } from './openResult.ts';
import { retryAfterMs } from './retryAfter.ts';
import { createScrub, excerpt } from './secrets.ts';
import { createUpstreamClock } from './upstreamClock.ts';

/** One upstream account's way to its HTTP service: kept-alive connections, bounded answers, one kind of error. */
export interface UpstreamHttp {
  /** Sends one request and reads its JSON. Throws `UpstreamError`; never repeats, never follows a redirect. */
  call(call: UpstreamCall): Promise<UpstreamAnswer>;
  /** As `call`, but gives the body as it comes, unread: for answers too large to be held. The caller destroys it. */
  stream(call: UpstreamCall): Promise<Readable>;
  /** Opens finished bytes, over redirects. The account's headers go along where `authorised`, and to the first origin alone. */
  open(url: string, options: OpenOptions): Promise<OpenedResult>;
  /**
   * Sends one request to any address, for SDKs that bring their own client, and reads the answer whole whatever its status. No
   * header is added, no redirect followed, and errors are undici's own.
   */
  raw(call: RawCall): Promise<RawAnswer>;
  /** What the upstream's own clock says; see `UpstreamClock.now`. */
  upstreamTime(): Promise<number | undefined>;
  close(): Promise<void>;
}

/** A POST says on what it depends: what may create a job upstream is sent only under a condition. */
export type UpstreamCall = CallParts &
  ({ readonly method: 'GET' | 'DELETE' } | { readonly method: 'POST'; readonly maySend: MaySend });

interface CallParts {
  /** Behind the base URL, with its query: `/tasks?id=1`. */
  readonly path: string;
  readonly json?: Json;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Bytes of the answer, at most; 4 MiB by default. */
  readonly maxBytes?: number;
}

export interface UpstreamAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Parsed JSON; undefined where the body is empty. */
  readonly body: unknown;
}

export interface RawCall {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal: AbortSignal;
  readonly maySend: MaySend;
  /** Bytes of the answer, at most. */
  readonly maxBytes: number;
  /** Called with the status, before the body is read. */
  readonly answered?: (status: number) => void;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface OpenOptions {
  readonly offset: number;
  readonly signal: AbortSignal;
  readonly authorised: boolean;
}

/** What an adapter says of its account. */
export interface HttpOptions {
  /** Without a slash at the end. */
  readonly baseUrl: string;
  /** Sent with every call: the credentials. Asked for each time, since tokens expire; throws only `UpstreamError`. */
  readonly headers: (
    signal: AbortSignal,
  ) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  /** Blanked in whatever an upstream says. */
  readonly secrets: readonly string[];
  /** What a body says of why a call was refused; `status` and `Retry-After` are known already. */
  readonly refusal: (body: unknown, status: number) => UpstreamRefusal;
  /** The error of a refusal. */
  readonly error: (refusal: UpstreamRefusal) => UpstreamError;
}

/** Opens an account's HTTP client, which sends only while this node holds its lease. An adapter has no other way out. */
export type OpenHttp = (options: HttpOptions) => UpstreamHttp;

interface HttpEnvironment {
  /** False once this node may no longer speak for its tasks. */
  readonly hasLease: () => boolean;
  readonly clock: Clock;
  /** The operator's proxies, through which everything is sent. */
  readonly proxies?: ProxySettings | undefined;
}

const CONNECTIONS = 64;
/** To a service in the same world: longer means that it is not there. Milliseconds. */
const CONNECT_MS = 10_000;
/** Bytes that do not come for so long do not come at all. Milliseconds. */
const STALL_MS = 60_000;
/** For an answer that shows the upstream's time: submissions wait for it. Milliseconds. */
const TIME_MS = 5_000;

/** What the registry hands to adapters. */
export const createOpenHttp =
  (environment: HttpEnvironment): OpenHttp =>
  (options) =>
    createUpstreamHttp(options, environment);

function createUpstreamHttp(
  options: HttpOptions,
  { hasLease, clock, proxies }: HttpEnvironment,
): UpstreamHttp {
  const connections = createConnections(proxies, {
    connections: CONNECTIONS,
    connect: { timeout: CONNECT_MS },
    headersTimeout: STALL_MS,
    bodyTimeout: STALL_MS,
  });
  const upstreamClock = createUpstreamClock(new URL(options.baseUrl).origin, askTime);
  const dispatcherFor = (maySend: MaySend): Dispatcher =>
    connections.dispatcher.compose(
      upstreamClock.listen,
      createLeaseGuard(() => hasLease() && maySend()),
    );
  const dispatcher = dispatcherFor(MAKES_NOTHING);
  const scrub = createScrub(options.secrets);

  /** Any answer shows the time, a refusal too, so no credentials are sent. */
  async function askTime(): Promise<void> {
    const signal = AbortSignal.timeout(TIME_MS);
    const { body } = await request(options.baseUrl, { method: 'HEAD', dispatcher, signal });
    await body.dump();
  }

  async function call(wanted: UpstreamCall): Promise<UpstreamAnswer> {
    const answer = await send(wanted);
    const { statusCode: status, headers } = answer;
    const text = await textOf(answer, wanted);
    if (status < 200 || status >= 300) throw refused(answer, text);
    const body = parse(text);
    if (body !== UNREADABLE) return { status, headers, body };
    throw new UpstreamError('upstream_unavailable', {
      detail: `${status} with a body that is not JSON: ${excerpt(text, scrub)}`,
    });
  }

  async function stream(wanted: UpstreamCall): Promise<Readable> {
    const answer = await send(wanted);
    if (answer.statusCode >= 200 && answer.statusCode < 300) return answer.body;
    throw refused(answer, await textOf(answer, wanted));
  }

  function refused({ statusCode: status, headers }: Dispatcher.ResponseData, text: string): UpstreamError {
    const body = parse(text);
    const refusal = options.refusal(body === UNREADABLE ? undefined : body, status);
    const wait = refusal.retryAfterMs ?? retryAfterMs(headers, clock.now());
    return options.error({
      ...refusal,
      status,
      message: refusal.message === undefined ? excerpt(text, scrub) : scrub(refusal.message),
      ...(wait === undefined ? {} : { retryAfterMs: wait }),
    });
  }

  async function send(wanted: UpstreamCall): Promise<Dispatcher.ResponseData> {
    const { method, path, json, headers, signal } = wanted;
    const own = await options.headers(signal);
    try {
      return await request(`${options.baseUrl}${path}`, {
        method,
        dispatcher: wanted.method === 'POST' ? dispatcherFor(wanted.maySend) : dispatcher,
        signal,
        headers: {
          ...own,
          accept: 'application/json',
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      });
    } catch (error) {
      throw lostCall(error, scrub);
    }
  }

  async function textOf({ body }: Dispatcher.ResponseData, { maxBytes = MAX_ANSWER_BYTES }: UpstreamCall) {
    try {
      return (await readBounded(body, maxBytes)).toString('utf8');
    } catch (error) {
      throw error instanceof UpstreamError ? error : lostCall(error, scrub);
    }
  }

  return {
    call,
    stream,
    async raw({ url, method, headers, body, signal, maySend, maxBytes, answered }) {
      const answer = await request(url, {
        dispatcher: dispatcherFor(maySend),
        // Any verb that an SDK uses; undici checks it.
        method: method as Dispatcher.HttpMethod,
        headers,
        signal,
        ...(body === undefined ? {} : { body }),
      });
      answered?.(answer.statusCode);
      return {
        status: answer.statusCode,
        headers: answer.headers,
        body: await readBounded(answer.body, maxBytes),
      };
    },
    async open(url, { offset, signal, authorised }) {
      const headers = authorised ? await options.headers(signal) : {};
      return openResult(url, { dispatcher, headers, offset, signal, scrub, clock });
    },
    upstreamTime: upstreamClock.now,
    close: () => connections.destroy(),
  };
}

const UNREADABLE = Symbol('not JSON');

function parse(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return UNREADABLE;
  }
}
