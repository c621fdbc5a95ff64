import { randomUUID } from 'node:crypto';
import type { MaySend } from '../provider.ts';
import { MAX_ANSWER_BYTES } from './boundedBody.ts';
import type { RawAnswer, UpstreamHttp } from './upstreamHttp.ts';

interface SdkFetchOptions {
  readonly http: Pick<UpstreamHttp, 'raw'>;
  readonly maySend: MaySend;
  /** The account's credentials: what an SDK picked up from the environment belongs to some other account. */
  readonly headers: () => Readonly<Record<string, string>>;
  /** Bytes of an answer, at most; 4 MiB by default. */
  readonly maxBytes?: number;
  /** Verbs that may go through it. */
  readonly methods: readonly string[];
}

/** What an SDK may say of a request; the rest (credentials, headers from environment variables) is the account's to say. */
const FROM_SDK: ReadonlySet<string> = new Set(['accept', 'content-type', 'idempotency-key', 'user-agent']);

/**
 * A `fetch` for provider SDKs that bring their own client: over the account's connections, with the account's credentials,
 * bounded answers, and no redirect followed. The answer is read whole before it is given: never for video bytes.
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
    if (!methods.includes(asked.method)) throw new Error(`${asked.method} is not sent from here`);
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

/** What a `Request` asks for, as `UpstreamHttp.raw` takes it. */
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
/** Headers that speak of the bytes on the wire: the body is whole here. */
const OF_THE_WIRE: ReadonlySet<string> = new Set(['content-length', 'content-encoding', 'transfer-encoding']);

/** An answer as an SDK reads it. */
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
 * A form as `multipart/form-data`, its texts as they are: `fetch` turns every line end in them into CRLF, as browsers do, and the
 * upstream would take the longer text for the prompt.
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

/** HTML Standard, "Multipart form data": what would end the value of a parameter. */
const quoted = (value: string): string =>
  value.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
