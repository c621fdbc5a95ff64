import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import type { Log } from './log.ts';

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;

/** A request's own log, made when something is first told by it: most requests are queries that tell nothing. */
interface RequestLog extends FastifyBaseLogger {
  readonly parent: FastifyBaseLogger;
  readonly bindings: object;
  own: FastifyBaseLogger | undefined;
}

const ownOf = (log: RequestLog): FastifyBaseLogger => {
  log.own ??= log.parent.child(log.bindings);
  return log.own;
};

// Methods on a shared prototype: a pino child for each query costs a twentieth of it.
const PROTOTYPE = {
  silent() {},
  child(this: RequestLog, ...given: Parameters<FastifyBaseLogger['child']>) {
    return ownOf(this).child(...given);
  },
  get level(): string {
    return (this as unknown as RequestLog).parent.level;
  },
  ...Object.fromEntries(
    LEVELS.map((level) => [
      level,
      function tell(this: RequestLog, ...line: Parameters<FastifyBaseLogger['info']>) {
        ownOf(this)[level](...line);
      },
    ]),
  ),
};

/** The log of a request; every line carries the request's id. */
export const logOf = (request: FastifyRequest): Log => request.log;

/** Fastify's `childLoggerFactory`: a child of `parent` that costs nothing until it is used. */
export function createRequestLog(parent: FastifyBaseLogger, bindings: object): FastifyBaseLogger {
  const log: RequestLog = Object.create(PROTOTYPE);
  return Object.assign(log, { parent, bindings, own: undefined });
}
