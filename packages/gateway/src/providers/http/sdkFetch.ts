import { type Dispatcher, request } from 'undici';
import { MAX_ANSWER_BYTES, readBounded } from './boundedBody.ts';
import { encodeForm } from './multipart.ts';

interface SdkFetchOptions {
  readonly dispatcher: Dispatcher;
  /** The account's credentials: what an SDK picked up from the environment belongs to some other account. */
  readonly headers: () => Readonly<Record<string, string>>;
  /** Bytes of an answer, at most; 4 MiB unless told. */
  readonly maxBytes?: number;
  /** Verbs that may go through it. */
  readonly methods: readonly Dispatcher.HttpMethod[];
}

/** What an SDK may say of a request; the rest (credentials, headers from environment variables) is the account's to say. */
const FROM_SDK: ReadonlySet<string> = new Set(['accept', 'content-type', 'idempotency-key', 'user-agent']);

/**
 * A `fetch` for provider SDKs that bring their own client: over the account's connections, with the account's credentials,
 * bounded answers, and no redirect followed. The answer is read whole before it is given: never for video bytes.
 */
export function createSdkFetch({
  dispatcher,
  headers,
  maxBytes = MAX_ANSWER_BYTES,
  methods,
}: SdkFetchOptions): typeof fetch {
  return async (input, init) => {
    const form = init?.body instanceof FormData ? await encodeForm(init.body) : undefined;
    const asked = new Request(input, form ? { ...init, body: new Uint8Array(form.body) } : init);
    if (!methods.some((method) => method === asked.method)) {
      throw new Error(`${asked.method} is not sent from here`);
    }
    const body = asked.body === null ? undefined : Buffer.from(await asked.arrayBuffer());
    const answer = await request(asked.url, {
      dispatcher,
      method: asked.method as Dispatcher.HttpMethod,
      signal: asked.signal,
      headers: {
        ...Object.fromEntries([...asked.headers].filter(([name]) => FROM_SDK.has(name))),
        ...(form ? { 'content-type': form.contentType } : {}),
        ...headers(),
      },
      ...(body === undefined ? {} : { body }),
    });
    const bytes = await readBounded(answer.body, maxBytes);
    return new Response(bytes.length === 0 ? null : new Uint8Array(bytes), {
      status: answer.statusCode,
      headers: headerPairs(answer.headers),
    });
  };
}

function headerPairs(headers: Dispatcher.ResponseData['headers']): [string, string][] {
  return Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one): [string, string] => [name, one]),
  );
}
