import type { IncomingHttpHeaders } from 'node:http';
import { type Dispatcher, request } from 'undici';
import { createConnections, type ProxySettings } from '../../net/proxies.ts';
import { type Clock, systemClock } from '../../time/clock.ts';
import { MAKES_NOTHING, type MaySend, type OpenedResult, UpstreamError } from '../provider.ts';
import { readBounded } from './boundedBody.ts';
import { type Calls, createCalls, type HttpOptions } from './calls.ts';
import { createLeaseGuard } from './leaseGuard.ts';
import { lostCall } from './lostCall.ts';
import { openResult } from './openResult.ts';
import { createScrub } from './secrets.ts';
import { createUpstreamClock } from './upstreamClock.ts';

/** The HTTP client of one upstream account: kept-alive connections, bounded answers, one kind of error. */
export interface UpstreamHttp extends Calls {
  /** Opens finished bytes and follows redirects. If `authorised`, the account's headers are sent, but only to the first origin. */
  open(url: string, options: OpenOptions): Promise<OpenedResult>;
  /**
   * Sends one request to any address and reads the whole answer, whatever its status. For SDKs that bring their own client. Adds
   * no header, follows no redirect and throws undici's own errors.
   */
  raw(call: RawCall): Promise<RawAnswer>;
  /** What the upstream's own clock says; see `UpstreamClock.now`. */
  upstreamTime(): Promise<number | undefined>;
  /** See `Provider.reach`. */
  reach(): Promise<void>;
  close(): Promise<void>;
}

export interface RawCall {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal: AbortSignal;
  readonly maySend: MaySend;
  /** The most bytes of the answer. */
  readonly maxBytes: number;
  /** Called with the status before the body is read. */
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
  /** Whether the bytes may come from this address, also after a redirect. Default: from any. */
  readonly allowed?: (url: URL) => boolean;
}

/** Opens an account's HTTP client, which sends only while this node holds its lease. Adapters cannot send in any other way. */
export type OpenHttp = (options: HttpOptions) => UpstreamHttp;

interface HttpEnvironment {
  /** False once this node may no longer act for its tasks. */
  readonly hasLease: () => boolean;
  readonly clock: Clock;
  /** The operator's proxies. Everything is sent through them. */
  readonly proxies?: ProxySettings | undefined;
}

const CONNECTIONS = 64;
/** Time limit for a connection. A service that takes longer is not reachable. Milliseconds. */
const CONNECT_MS = 10_000;
/** Time limit between two pieces of an answer. Milliseconds. */
const STALL_MS = 60_000;
/** Time limit of a request that any answer will do for. Submissions wait for it. Milliseconds. */
const ANY_ANSWER_MS = 2_000;
/** Answers of a load balancer or a proxy about a server that is not there. */
const NOT_THERE: readonly number[] = [502, 503, 504];

/** The function that the registry hands to adapters. */
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
  const origin = options.baseUrl === '' ? undefined : new URL(options.baseUrl).origin;
  const upstreamClock = createUpstreamClock(origin, anyAnswer, { ...systemClock, now: () => clock.now() });
  const dispatcherFor = (maySend: MaySend): Dispatcher =>
    connections.dispatcher.compose(
      upstreamClock.listen,
      createLeaseGuard(() => hasLease() && maySend()),
    );
  const dispatcher = dispatcherFor(MAKES_NOTHING);
  const scrub = createScrub(options.secrets);

  /** The status of any answer. Sends no credentials, because a refusal will do too. */
  async function anyAnswer(): Promise<number> {
    const signal = AbortSignal.timeout(ANY_ANSWER_MS);
    try {
      const { body, statusCode } = await request(options.baseUrl, { method: 'HEAD', dispatcher, signal });
      await body.dump();
      return statusCode;
    } catch (error) {
      throw lostCall(error, scrub);
    }
  }

  return {
    ...createCalls({ options, scrub, clock, dispatcher, dispatcherFor }),
    async raw({ url, method, headers, body, signal, maySend, maxBytes, answered }) {
      const answer = await request(url, {
        dispatcher: dispatcherFor(maySend),
        // Any method that an SDK uses. undici checks it.
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
    async open(url, { offset, signal, authorised, allowed }) {
      const headers = authorised ? await options.headers(signal) : {};
      return openResult(url, { dispatcher, headers, offset, signal, scrub, clock, allowed });
    },
    upstreamTime: upstreamClock.now,
    async reach() {
      const status = await anyAnswer();
      if (NOT_THERE.includes(status))
        throw new UpstreamError('upstream_unavailable', { created: 'no', detail: `answers with ${status}` });
    },
    close: () => connections.destroy(),
  };
}
