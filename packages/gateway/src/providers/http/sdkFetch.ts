import { randomUUID } from 'node:crypto';
import type { MaySend } from '../provider.ts';
import { MAX_ANSWER_BYTES } from './boundedBody.ts';
import type { RawAnswer, UpstreamHttp } from './upstreamHttp.ts';

interface SdkFetchOptions {
  readonly http: Pick<UpstreamHttp, 'raw'>;
  readonly maySend: MaySend;
  /** The account's credentials. Credentials that an SDK read from the environment may belong to another account. */
  readonly headers: () => Readonly<Record<string, string>>;
  /** The most bytes of an answer. 4 MiB by default. */
  readonly maxBytes?: number;
  /** The HTTP methods that may be sent. */
  readonly methods: readonly string[];
}

/** Request headers that an SDK may set. The account sets the others: credentials, and headers from environment variables. */
const FROM_SDK: ReadonlySet<string> = new Set(['accept', 'content-type', 'idempotency-key', 'user-agent']);

/**
 * A `fetch` for provider SDKs that bring their own client. It uses the account's connections and credentials, bounds answers and
 * follows no redirect. It reads the whole answer before it returns, so it is not for video bytes.
 */
export function createSdkFetch({
  http,
  maySend,
  headers,
  maxBytes = MAX_ANSWER_BYTES,
  methods,
}: SdkFetchOptions): typeof globalThis.fetch {
  return async (input, init) => {
    const form = init?.body instanceof FormData ? await encodeForm(init.body) : undefined;
    const asked = new Request(input, form ? { ...init, body: new Uint8Array(form.body) } : init);
    if (!methods.includes(asked.method)) throw new Error(`${asked.method} is not allowed here`);
    const answer = await http.raw({
      ...(await partsOf(asked)),
      headers: {
        ...Object.fromEntries([...asked.headers].filter(([name]) => FROM_SDK.has(name))),
        ...(form ? { 'content-type': form.contentType } : {}),
        ...headers(),
      },
      maySend,
      maxBytes,
    });
    return responseOf(answer);
  };
}

/** The parts of a `Request` that `UpstreamHttp.raw` takes. */
export async function partsOf(asked: Request): Promise<{
  readonly url: string;
  readonly method: string;
  readonly signal: AbortSignal;
  readonly body?: Uint8Array;
}> {
  const { url, method, signal } = asked;
  if (asked.body === null) return { url, method, signal };
  return { url, method, signal, body: new Uint8Array(await asked.arrayBuffer()) };
}

/** Statuses whose answers have no body (Fetch standard, "null body status"). */
const NO_BODY: ReadonlySet<number> = new Set([204, 205, 304]);
/** Headers about the bytes on the wire. They do not fit the body, which is decoded and whole. */
const OF_THE_WIRE: ReadonlySet<string> = new Set(['content-length', 'content-encoding', 'transfer-encoding']);

/** An answer in the form that an SDK reads. */
export function responseOf({ status, headers, body }: Omit<RawAnswer, 'body'> & { body: Buffer | string }) {
  const pairs = Object.entries(headers).flatMap(([name, value]) =>
    OF_THE_WIRE.has(name) ? [] : [value ?? []].flat().map((one): [string, string] => [name, one]),
  );
  const content = typeof body === 'string' ? body : new Uint8Array(body);
  return new Response(NO_BODY.has(status) || body.length === 0 ? null : content, { status, headers: pairs });
}

interface EncodedForm {
  readonly contentType: string;
  readonly body: Buffer;
}

/**
 * Encodes a form as `multipart/form-data` and leaves its texts unchanged. `fetch` would turn every line end in them into CRLF, as
 * browsers do, and so change the prompt.
 */
async function encodeForm(form: FormData): Promise<EncodedForm> {
  const boundary = `onetake-${randomUUID()}`;
  const parts: Buffer[] = [];
  for (const [name, value] of form) {
    const head = `--${boundary}\r\ncontent-disposition: form-data; name="${quoted(name)}"`;
    if (typeof value === 'string') {
      parts.push(Buffer.from(`${head}\r\n\r\n${value}\r\n`));
      continue;
    }
    const file = `; filename="${quoted(value.name)}"\r\ncontent-type: ${value.type || 'application/octet-stream'}`;
    parts.push(
      Buffer.from(`${head}${file}\r\n\r\n`),
      Buffer.from(await value.arrayBuffer()),
      Buffer.from('\r\n'),
    );
  }
  parts.push(Buffer.from(`--${boundary}--\r\n`));
  return { contentType: `multipart/form-data; boundary=${boundary}`, body: Buffer.concat(parts) };
}

/** HTML Standard, "Multipart form data": escapes the characters that would end the value of a parameter. */
const quoted = (value: string): string =>
  value.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
