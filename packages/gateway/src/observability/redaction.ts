import { pino } from 'pino';
import { valueOfJson } from '../tasks/text.ts';

/**
 * Keeps secrets out of the log by what may be written, not by a search for where one might be: fields are plain data under names that are
 * no secret's, of an error only known facts are written, and the values of configured secrets are blanked wherever they stand.
 */
export interface Redaction {
  /** Blanks these secrets from now on, in all forms in which text quotes them. Shorter ones than eight characters are no secrets, and words. */
  hide(secrets: Iterable<string>): void;
  /** The fields of a line as plain data. */
  fields(fields: Readonly<Record<string, unknown>>): Record<string, unknown>;
  /** What is written of an error: its type, message, stack and known facts, none of its other members (SDKs keep requests there). */
  error(error: unknown): unknown;
  /** A finished line of JSON without secrets. */
  line(text: string): string;
}

/** Names whose values are never written. `key` is not one: it holds the id of an API key. Typed as forbidden in `LogFields`, too. */
const SECRET_NAMES = [
  'authorization',
  'headers',
  'cookie',
  'password',
  'apiKey',
  'api_key',
  'secret',
  'token',
  'signature',
] as const;
export type SecretName = (typeof SECRET_NAMES)[number];
const IS_SECRET: ReadonlySet<string> = new Set(SECRET_NAMES);

const BLANK = '[secret]';
/** What looks like a secret inside a text, such as the message of an upstream: keys, credentials of a header, parameters of a signed URL. */
const LOOKS =
  /\bsk-[\w-]{8,}|\bwhs(?:ec|k)_[\w+/=-]{8,}|\bya29\.[\w.-]+|(?<=\b(?:Bearer|Basic)\s+)[^\s"']+|(?<=[?&](?:signature|key|token|Signature|OSSAccessKeyId)=)[^&\s"']+/g;
/** Matches at least wherever `LOOKS` does, also in text that is escaped as JSON. */
const MAY_LOOK =
  'sk-[\\w-]{8}|whs(?:ec|k)_|ya29\\.|Bearer|Basic|[?&](?:[sS]ignature|key|token|OSSAccessKeyId)=';
const LEAST_LENGTH = 8;
/** Deeper objects are not written. */
const DEPTH = 6;
/** Members of errors that say what happened: of Node's, undici's, SQLite's, PostgreSQL's and our own. */
const FACTS = [
  'code',
  'errno',
  'syscall',
  'address',
  'port',
  'hostname',
  'path',
  'dest',
  'status',
  'statusCode',
  'reason',
  'detail',
  'param',
  'retry',
  'retryAfterMs',
  'created',
  'severity',
  'constraint',
  'schema',
  'table',
  'column',
  'routine',
  'signal',
  'exitCode',
] as const;

export function createRedaction(): Redaction {
  const hidden = new Set<string>();
  let known: RegExp | undefined;
  let suspicious = new RegExp(MAY_LOOK);

  const blank = (text: string): string => (known ? text.replace(known, BLANK) : text).replace(LOOKS, BLANK);

  return {
    hide(secrets) {
      for (const secret of secrets)
        if (secret.length >= LEAST_LENGTH) for (const form of formsOf(secret)) hidden.add(form);
      if (hidden.size === 0) return;
      // The longest first: one form may be a part of another.
      const forms = [...hidden].sort((a, b) => b.length - a.length);
      known = new RegExp(patternOf(forms), 'g');
      suspicious = new RegExp(
        `${MAY_LOOK}|${patternOf([...new Set(forms.flatMap((form) => [form, escaped(form)]))])}`,
      );
    },
    fields: (fields) => (isPlain(fields) ? fields : plainObject(fields, 0)),
    error: (error) => errorFacts(error, 0),
    line(text) {
      if (!suspicious.test(text)) return text;
      const written = valueOfJson(text);
      return written === undefined ? blank(text) : `${JSON.stringify(blanked(written, blank))}\n`;
    },
  };
}

/** A secret as it is, and as it stands in a URL. */
const formsOf = (secret: string): readonly string[] => [
  secret,
  encodeURIComponent(secret),
  new URLSearchParams({ '': secret }).toString().slice(1),
];

const patternOf = (forms: readonly string[]): string => forms.map((form) => RegExp.escape(form)).join('|');

/** As it stands in a line. */
const escaped = (text: string): string => JSON.stringify(text).slice(1, -1);

function blanked(value: unknown, blank: (text: string) => string): unknown {
  if (typeof value === 'string') return blank(value);
  // A secret of digits alone may stand as a number.
  if (typeof value === 'number') return blank(String(value)) === String(value) ? value : BLANK;
  if (Array.isArray(value)) return value.map((item) => blanked(item, blank));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [blank(name), blanked(member, blank)]),
  );
}

/** Whether nothing of the fields has to be replaced. So it is with nearly all lines. */
function isPlain(fields: Readonly<Record<string, unknown>>): boolean {
  for (const name in fields) {
    const value = fields[name];
    // An error is written by its serializer.
    if ((typeof value === 'object' && value !== null && name !== 'err') || IS_SECRET.has(name)) return false;
  }
  return true;
}

function plainObject(fields: object, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      depth === 0 && name === 'err' ? value : IS_SECRET.has(name) ? BLANK : plainValue(value, depth + 1),
    ]),
  );
}

/** Objects of classes are not data: a request, a response or a client has credentials somewhere. */
function plainValue(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > DEPTH) return '[…]';
  if (Array.isArray(value)) return value.map((item) => plainValue(item, depth + 1));
  if (Error.isError(value)) return errorFacts(value, depth);
  if (value instanceof Date || value instanceof URL) return value.toJSON();
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return plainObject(value, depth);
  return `[${prototype.constructor?.name ?? 'object'}]`;
}

function errorFacts(error: unknown, depth: number): unknown {
  if (!Error.isError(error)) return plainValue(error, depth + 1);
  const { type, message, stack } = pino.stdSerializers.err(error);
  const facts = FACTS.flatMap((name) => {
    const value = Reflect.get(error, name);
    return value === undefined || (typeof value === 'object' && value !== null) || typeof value === 'function'
      ? []
      : [[name, value] as const];
  });
  const errors = error instanceof AggregateError && depth < DEPTH ? error.errors : undefined;
  return {
    type,
    message,
    stack,
    ...Object.fromEntries(facts),
    ...(errors ? { aggregateErrors: errors.map((one) => errorFacts(one, depth + 1)) } : {}),
  };
}
