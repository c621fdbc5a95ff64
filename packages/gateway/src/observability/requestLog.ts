import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from './log.ts';

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;

/** The log of a request, which adds the request's id to each line. */
interface RequestLog extends FastifyBaseLogger {
  readonly parent: FastifyBaseLogger;
  readonly bindings: object;
}

// Methods on a shared prototype and no child of the parent: most requests are queries that log nothing, and others log a single line.
const PROTOTYPE = {
  silent() {},
  child(this: RequestLog, ...given: Parameters<FastifyBaseLogger['child']>) {
    return this.parent.child(this.bindings).child(...given);
  },
  get level(): string {
    return (this as unknown as RequestLog).parent.level;
  },
  ...Object.fromEntries(
    LEVELS.map((level) => [
      level,
      function tell(this: RequestLog, ...line: Parameters<FastifyBaseLogger['info']>) {
        const [fields, message] = line;
        // Fastify's own lines may be an error or a text alone.
        if (isFields(fields)) this.parent[level]({ ...this.bindings, ...fields }, message as string);
        else this.parent.child(this.bindings)[level](...line);
      },
    ]),
  ),
};

const isFields = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Error.isError(value);

/** Returns the log of a request. Every line has the id of the request. */
export const logOf = (request: FastifyRequest): Log => request.log;

/** Only the path may be logged or repeated: query strings contain signatures and callers' text. */
export const pathOf = (url: string): string => url.split('?', 1)[0] ?? url;

/** What the line of a request says of it and its answer. */
export const answered = (
  request: Pick<FastifyRequest, 'method' | 'url'>,
  reply: Pick<FastifyReply, 'statusCode' | 'elapsedTime'>,
) => ({
  method: request.method,
  path: pathOf(request.url),
  status: reply.statusCode,
  ms: Math.round(reply.elapsedTime),
});

/** Fastify's `childLoggerFactory`. */
export function createRequestLog(parent: FastifyBaseLogger, bindings: object): FastifyBaseLogger {
  const log: RequestLog = Object.create(PROTOTYPE);
  return Object.assign(log, { parent, bindings });
}

/** The id of a request: that of the caller, if it can be one. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:-]{1,64}$/.test(given) ? given : randomUUID();
}

const READS: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

/** The level of the line of a request. Clients poll thousands of times, so successful reads are logged at `debug` only. */
export const levelOf = (method: string, status: number): 'info' | 'debug' =>
  status >= 400 || !READS.includes(method) ? 'info' : 'debug';

/** Why a request was refused. */
export interface Refusal {
  readonly reason: string;
  /** What of the request is at fault. A caller may have named it. */
  readonly param: string | undefined;
}

/** Writes the line of a request that was answered, with the id of its API key. */
export const logCompleted = (
  log: Log,
  level: 'info' | 'debug',
  request: Parameters<typeof answered>[0],
  reply: Parameters<typeof answered>[1],
  key: string | undefined,
  refusal?: Refusal,
): void =>
  log[level](
    { event: 'request.completed', ...answered(request, reply), key, ...(refusal && told(refusal)) },
    'request',
  );

/** A field that a caller made up may be anything, so only what looks like the name of one or of a header is logged: a key has hyphens and digits. */
const told = ({ reason, param }: Refusal): Refusal => ({
  reason,
  param: param !== undefined && /^(?:[\w.[\]]{1,64}|[A-Za-z-]{1,64})$/.test(param) ? param : undefined,
});
