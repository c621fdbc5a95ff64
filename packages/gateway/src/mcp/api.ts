/** A request to the gateway's API, as a tool makes it. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST';
  /** With its query. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
}

export interface ApiAnswer {
  readonly status: number;
  readonly contentType: string;
  /** Of a task that has not finished: when its state is worth to be asked for again. Seconds. */
  readonly retryAfter?: number | undefined;
  readonly bytes: Buffer;
}

/** Sends a request with the credentials of the MCP client. Throws if there is no answer: `NotSent` if the gateway has received nothing. */
export type CallApi = (request: ApiRequest) => Promise<ApiAnswer>;

/** The gateway cannot be reached, and has certainly received nothing. The message says what to do. */
export class NotSent extends Error {}

/** The gateway has refused a request. The message says why, and is meant for whoever called the tool. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'Refused';
    this.status = status;
  }
}

/** The JSON of a successful answer. Throws `Refused`. */
export async function callJson(call: CallApi, request: ApiRequest): Promise<Record<string, unknown>> {
  return bodyOf(await call(request));
}

/** The same of an answer that is there. */
export function bodyOf({ status, bytes }: ApiAnswer): Record<string, unknown> {
  const body = parsed(bytes);
  if (status >= 200 && status <= 299) return body;
  const { message } = (body.error ?? {}) as { readonly message?: unknown };
  throw new Refused(
    status,
    typeof message === 'string' ? inTools(message) : `The gateway answered ${status}.`,
  );
}

/** Agents have tools in place of the HTTP API that messages of the gateway name. */
const inTools = (message: string): string =>
  message.replaceAll(/GET \/v1\/models lists (?=them|the ids)/g, 'list_models, called without model, lists ');

function parsed(bytes: Buffer): Record<string, unknown> {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return {};
  }
}

/** The seconds of `Retry-After`, of which the gateway sends no other form. */
export const retryAfterOf = (header: unknown): number | undefined =>
  header === undefined ? undefined : Number(header);
