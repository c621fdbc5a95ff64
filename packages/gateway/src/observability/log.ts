import { type DestinationStream, type Logger, pino } from 'pino';
import type { LogEvent } from './logEvents.ts';
import { createLogOutput, standardOutput } from './logOutput.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The fields of a log line: the name of its event, and what identifies its subject (`task`, `account`, `err` …). */
type LogFields = { readonly event: LogEvent } & Readonly<Record<string, unknown>>;
type Write = (fields: LogFields, message: string) => void;

/** The logger type of the gateway: each line must name its event. Any pino logger fits. */
export interface Log {
  readonly error: Write;
  readonly warn: Write;
  readonly info: Write;
  readonly debug: Write;
}

/** Fields that may contain a secret, at any of the usual places. */
const SECRET_PATHS = ['authorization', 'apiKey', 'api_key', 'key', 'secret', 'token', 'signature'].flatMap(
  (name) =>
    // `key` holds the id of an API key, which is not a secret.
    name === 'key' ? [] : [name, `*.${name}`, `headers.${name}`, `*.headers.${name}`],
);

/** Keys and signatures inside text: messages of an upstream, URLs, error messages. */
const SECRET_TEXT =
  /\bsk-[\w-]{8,}|(?<=\bBearer\s+)[^\s"']+|(?<=[?&](?:signature|key|token|Signature|OSSAccessKeyId)=)[^&\s"']+/g;

/** Replaces everything in a text that looks like a key or a signature. */
const scrub = (text: string): string => text.replace(SECRET_TEXT, '[secret]');

/** Creates the structured log: one JSON object per line on standard output. Secrets are removed from every line. */
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
