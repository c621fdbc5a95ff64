import { type DestinationStream, type Logger, pino } from 'pino';
import type { LogEvent } from './logEvents.ts';
import { createLogOutput, standardOutput } from './logOutput.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What is logged of an event: its name, and whatever identifies what it happened to (`task`, `account`, `err` …). */
type LogFields = { readonly event: LogEvent } & Readonly<Record<string, unknown>>;
type Write = (fields: LogFields, message: string) => void;

/** The log as the gateway's parts write it: each line names its event. Any pino logger is one. */
export interface Log {
  readonly error: Write;
  readonly warn: Write;
  readonly info: Write;
  readonly debug: Write;
}

/** Members that may hold a secret, wherever a careless caller puts them. */
const SECRET_PATHS = ['authorization', 'apiKey', 'api_key', 'key', 'secret', 'token', 'signature'].flatMap(
  (name) =>
    // The id of a key is logged as `key` and is no secret.
    name === 'key' ? [] : [name, `*.${name}`, `headers.${name}`, `*.headers.${name}`],
);

/** Keys and signatures that reach a text: an upstream's words, a URL, an error's message. */
const SECRET_TEXT =
  /\bsk-[\w-]{8,}|(?<=\bBearer\s+)[^\s"']+|(?<=[?&](?:signature|key|token|Signature|OSSAccessKeyId)=)[^&\s"']+/g;

/** Text without anything that looks like a key or a signature. */
const scrub = (text: string): string => text.replace(SECRET_TEXT, '[secret]');

/** The structured log, one JSON object a line on standard output. No line holds a secret, whatever is logged. */
export function createLog(level: LogLevel, destination?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_PATHS, censor: '[secret]' },
      hooks: { streamWrite: scrub },
    },
    destination ?? createLogOutput({ sink: standardOutput() }),
  );
}
