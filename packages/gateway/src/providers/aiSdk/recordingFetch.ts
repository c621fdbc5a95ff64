import { partsOf, responseOf } from '../http/sdkFetch.ts';
import type { RawAnswer, RawCall, UpstreamHttp } from '../http/upstreamHttp.ts';
import type { MaySend } from '../provider.ts';
import type { PackageRow } from './packageRow.ts';
import type { Fetch } from './videoModel.ts';

/** Records what one call of a package really did on the wire. Packages report answers only as messages, and some report them wrongly. */
export interface RecordingFetch {
  readonly fetch: Fetch;
  /** The last answer; undefined if there was none. */
  answer(): WireAnswer | undefined;
  /** The reason why the last request has no answer. */
  failure(): unknown;
  /** Whether a request that could create a job was not clearly refused, whatever the outcome of later requests. */
  mayHaveCreated(): boolean;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: RawAnswer['headers'];
  /** Parsed JSON, or the text if it is not JSON. */
  readonly body: unknown;
}

interface ExchangeOptions {
  readonly row: PackageRow;
  readonly modelId: string;
  readonly http: Pick<UpstreamHttp, 'raw'>;
  readonly maySend: MaySend;
  /** The address of the account's service, if it is not the package's default. */
  readonly baseUrl: string | undefined;
  readonly signal: AbortSignal;
}

/** The most bytes of an answer. With a package that is not in the table, a video may come as base64 inside the JSON. */
const MAX_BYTES = 64 * 2 ** 20;
/** The only headers that are sent to an origin other than the account's own. */
const HARMLESS: ReadonlySet<string> = new Set(['accept', 'user-agent']);

/**
 * A `fetch` for one call of a package. It keeps connections alive, bounds answers, follows no redirects, sends credentials only to
 * the account's origin, and sends at most one request that could create a job.
 */
export function createRecordingFetch({
  row,
  modelId,
  http,
  maySend,
  baseUrl,
  signal,
}: ExchangeOptions): RecordingFetch {
  const own = baseUrl ?? row.baseUrl;
  const home = own === undefined ? undefined : new URL(own).origin;
  const redirect =
    row.baseUrlOption === undefined && baseUrl !== undefined && row.baseUrl !== undefined
      ? { from: row.baseUrl, to: baseUrl }
      : undefined;
  let answer: WireAnswer | undefined;
  let failure: unknown;
  let writes = 0;
  let created = false;

  async function send(sent: Request): Promise<Response> {
    const url = moved(row.address?.(sent.url, modelId) ?? sent.url);
    const headers = [...sent.headers].filter(
      ([name]) => home === undefined || new URL(url).origin === home || HARMLESS.has(name),
    );
    const parts = {
      ...(await partsOf(sent)),
      signal: AbortSignal.any([signal, sent.signal]),
      headers: Object.fromEntries(headers),
      maySend,
      maxBytes: MAX_BYTES,
    };
    const unfinished = sent.method === 'GET' ? await statusOf({ ...parts, url }) : undefined;
    if (unfinished) return unfinished;
    const received = await http.raw({
      ...parts,
      url,
      // A package sends further requests after a successful creation. If one of those fails, the job still exists.
      answered(code) {
        if (sent.method !== 'GET' && code < 300) created = true;
      },
    });
    const body = received.body.toString('utf8');
    const text = repaired(sent.method === 'GET' ? body : movedBack(body));
    answer = { status: received.status, headers: received.headers, body: parsed(text) };
    return responseOf({ ...received, body: text });
  }

  /** The status of a job as its package reads it; undefined if the result is to be asked for, because there is one or no status. */
  async function statusOf(result: RawCall): Promise<Response | undefined> {
    const { status } = row;
    if (!status) return undefined;
    const received = await http.raw({ ...result, url: result.url + status.path });
    answer = { ...received, body: parsed(received.body.toString('utf8')) };
    if (received.status === 404 || received.status === 405) return undefined;
    const isOver = isOk(answer) ? status.isOver(answer.body) : undefined;
    if (isOver) return undefined;
    if (isOver === undefined) return responseOf(received);
    return Response.json(status.unfinished.body, { status: status.unfinished.status });
  }

  /** Redirects a package without a base URL for videos to the account's base URL. */
  function moved(url: string): string {
    return redirect && url.startsWith(redirect.from) ? redirect.to + url.slice(redirect.from.length) : url;
  }

  /** Shows such a package the links in the answer to a creation as links to its own address, because it sends its key nowhere else. */
  function movedBack(text: string): string {
    return redirect ? text.replaceAll(`${redirect.to}/`, `${redirect.from}/`) : text;
  }

  function repaired(text: string): string {
    const body = row.repair ? parsed(text) : undefined;
    return row.repair && typeof body === 'object' ? JSON.stringify(row.repair(body)) : text;
  }

  return {
    answer: () => answer,
    failure: () => failure,
    mayHaveCreated: () => created,
    async fetch(input, init) {
      answer = undefined;
      failure = undefined;
      try {
        const sent = new Request(input, init);
        if (sent.method !== 'GET' && ++writes > 1) {
          throw new Error('the package tried to submit twice; its second request was not sent');
        }
        return await send(sent);
      } catch (error) {
        failure = error;
        throw error;
      }
    },
  };
}

/** Whether the service answered with a success. */
export const isOk = ({ status }: WireAnswer): boolean => status >= 200 && status < 300;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
