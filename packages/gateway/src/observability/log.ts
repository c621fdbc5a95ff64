import { type DestinationStream, type LogFn, type Logger, pino } from 'pino';
import { read, UNREADABLE } from './errorFacts.ts';
import type { LogEvent } from './logEvents.ts';
import { createLogOutput, standardOutput } from './logOutput.ts';
import { createRedaction, type SecretName } from './redaction.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The fields of a log line: the name of its event, and what identifies its subject (`task`, `account`, `err` …). No secrets. */
type LogFields = { readonly event: LogEvent } & Readonly<Record<string, unknown>> & {
    readonly [Name in SecretName]?: never;
  };
type Write = (fields: LogFields, message: string) => void;

/** The logger type of the gateway: each line must name its event. Any pino logger fits. */
export interface Log {
  readonly error: Write;
  readonly warn: Write;
  readonly info: Write;
  readonly debug: Write;
}

/** The log of a gateway, from which others are derived. */
export type GatewayLog = Logger & {
  /** Blanks these secrets in every line from now on, wherever they stand. */
  hide(secrets: Iterable<string>): void;
};

/** Creates the structured log: one JSON object per line on standard output, without secrets (`redaction.ts`). Each has the `fields`. */
export function createLog(
  level: LogLevel,
  destination?: DestinationStream,
  fields: Readonly<Record<string, unknown>> | null = null,
): GatewayLog {
  const redaction = createRedaction();
  const log = pino(
    {
      level,
      base: fields,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        bindings: redaction.fields,
        log: redaction.fields,
      },
      serializers: { err: redaction.error },
      hooks: { streamWrite: redaction.line, logMethod: writeOrSay },
    },
    destination ?? createLogOutput({ sink: standardOutput() }),
  );
  // pino writes the fields of children as they are, whatever the formatters of their parent.
  const child: Logger['child'] = log.child;
  const setBindings = log.setBindings;
  return Object.assign(log, {
    hide: redaction.hide,
    child(this: Logger, fields: Record<string, unknown>, options?: Parameters<Logger['child']>[1]) {
      return child.call(this, redaction.fields(fields), options);
    },
    setBindings(this: Logger, fields: Record<string, unknown>) {
      setBindings.call(this, redaction.fields(fields));
    },
  }) as GatewayLog;
}

/** Writes a line. What is logged must never end the work that it tells of. */
function writeOrSay(this: Logger, line: Parameters<LogFn>, write: LogFn): void {
  try {
    write.apply(this, line);
  } catch {
    // pino itself reads some members of an object.
    const [fields, message] = line as readonly unknown[];
    const event = typeof fields === 'object' && fields !== null ? read(fields, 'event') : undefined;
    write.call(this, { event, fields: UNREADABLE }, typeof message === 'string' ? message : UNREADABLE);
  }
}
