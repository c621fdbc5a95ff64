import { createHash } from 'node:crypto';
import { Agent, type Dispatcher } from 'undici';

/** A response, or why there was none. Times are `performance.now()`. */
export interface Reply {
  readonly sentAt: number;
  readonly at: number;
  /** Undefined without a response. */
  readonly status: number | undefined;
  /** `error.reason` of the response, or the error of the connection. */
  readonly trouble: string | undefined;
  readonly retryAfterMs: number | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: an answer of the public API, looked into field by field
  readonly body: any;
}

/** The number of completely downloaded bytes. */
export interface Downloaded {
  readonly bytes: number;
  /** Hex SHA-256. */
  readonly sha256: string;
}

/** A client of the public API that counts every failed request. */
export interface ApiClient {
  call(
    method: 'GET' | 'POST',
    path: string,
    options?: {
      readonly body?: unknown;
      readonly key?: string;
      readonly timeoutMs?: number;
      /** Gives up after this time, like a client that is closed. */
      readonly hangUpMs?: number | undefined;
    },
  ): Promise<Reply>;
  /** The bytes behind a path or URL; the response instead if there are none, or not all of them. */
  download(path: string, hangUpMs?: number): Promise<Downloaded | Reply>;
  /** How often each failure was seen: `POST 503 draining`. */
  readonly troubles: ReadonlyMap<string, number>;
  /** Requests that were abandoned in the middle. */
  readonly hangUps: number;
  close(): Promise<void>;
}

const TIMEOUT_MS = 15_000;
const DOWNLOAD_TIMEOUT_MS = 60_000;

export function createApiClient(base: string, apiKey: string): ApiClient {
  const agent = new Agent({ connections: 256 });
  const troubles = new Map<string, number>();
  let hangUps = 0;
  const authorization = `Bearer ${apiKey}`;

  function note(method: string, { status, trouble }: Pick<Reply, 'status' | 'trouble'>): void {
    const what = `${method} ${status ?? 'no answer'} ${trouble ?? ''}`.trim();
    troubles.set(what, (troubles.get(what) ?? 0) + 1);
  }

  const send = (method: 'GET' | 'POST', path: string, rest: Partial<Dispatcher.RequestOptions>) => {
    const { origin, pathname, search } = new URL(path, base);
    return agent.request({ origin, path: pathname + search, method, ...rest });
  };

  return {
    troubles,
    get hangUps() {
      return hangUps;
    },
    async call(method, path, { body, key, timeoutMs = TIMEOUT_MS, hangUpMs } = {}) {
      const sentAt = performance.now();
      const none = { retryAfterMs: undefined, body: undefined };
      let reply: Reply;
      try {
        const answer = await send(method, path, {
          signal: AbortSignal.timeout(hangUpMs ?? timeoutMs),
          headers: {
            authorization,
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            ...(key === undefined ? {} : { 'idempotency-key': key }),
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const parsed = (await answer.body.json()) as Reply['body'];
        const seconds = Number(answer.headers['retry-after']);
        reply = {
          sentAt,
          at: performance.now(),
          status: answer.statusCode,
          trouble: answer.statusCode === 200 ? undefined : String(parsed?.error?.reason ?? 'unnamed'),
          retryAfterMs: seconds > 0 ? seconds * 1000 : undefined,
          body: parsed,
        };
      } catch (error) {
        reply = { sentAt, at: performance.now(), status: undefined, trouble: nameOf(error), ...none };
      }
      if (hangUpMs !== undefined && reply.trouble === 'TimeoutError') hangUps += 1;
      else if (reply.trouble !== undefined) note(method, reply);
      return reply;
    },

    async download(path, hangUpMs) {
      const sentAt = performance.now();
      let status: number | undefined;
      let trouble: string;
      try {
        const answer = await send('GET', path, {
          signal: AbortSignal.timeout(hangUpMs ?? DOWNLOAD_TIMEOUT_MS),
          // A signed link needs no key; a key with it must do no harm.
          headers: { authorization },
        });
        status = answer.statusCode;
        if (status === 200) {
          const hash = createHash('sha256');
          let bytes = 0;
          for await (const piece of answer.body) {
            hash.update(piece);
            bytes += piece.length;
          }
          if (bytes === Number(answer.headers['content-length']))
            return { bytes, sha256: hash.digest('hex') };
          trouble = `${bytes} of ${answer.headers['content-length']} bytes`;
        } else {
          // biome-ignore lint/suspicious/noExplicitAny: as above
          const parsed: any = await answer.body.json().catch(() => undefined);
          trouble = String(parsed?.error?.reason ?? 'unnamed');
        }
      } catch (error) {
        trouble = nameOf(error);
      }
      const reply = {
        sentAt,
        at: performance.now(),
        status,
        trouble,
        retryAfterMs: undefined,
        body: undefined,
      };
      if (hangUpMs !== undefined && trouble === 'TimeoutError') hangUps += 1;
      else note('download', { status, trouble: status === 200 ? `broken off (${trouble})` : trouble });
      return reply;
    },

    close: () => agent.destroy(),
  };
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
