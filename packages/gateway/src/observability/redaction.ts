import { valueOfJson } from '../tasks/text.ts';
import { errorFacts, isError, read, UNREADABLE } from './errorFacts.ts';
import { BLANK, formsOf, MAY_LOOK, withoutLooks } from './secretText.ts';

/**
 * Keeps secrets out of the log by what may be written, not by a search for where one might be: fields are plain data under names that are
 * no secret's, of an error only known facts are written, and the values of configured secrets are blanked wherever they stand.
 */
export interface Redaction {
  /** Blanks these secrets from now on, in all forms in which text quotes them, but those that `cannotBeBlanked`. */
  hide(secrets: Iterable<string>): void;
  /** The fields of a line as plain data. */
  fields(fields: Readonly<Record<string, unknown>>): Record<string, unknown>;
  /** What is written of an error: its type, message, stack and known facts, none of its other members (SDKs keep requests there). */
  error(error: unknown): unknown;
  /** A finished line of JSON without secrets. */
  line(text: string): string;
}

/** Names whose values are never written, typed as forbidden in `LogFields`. `SECRET` has their kinds. */
export type SecretName =
  | 'authorization'
  | 'headers'
  | 'cookie'
  | 'password'
  | 'apiKey'
  | 'api_key'
  | 'secret'
  | 'client_secret'
  | 'token'
  | 'access_token'
  | 'signature';

/** How the names of secrets end. `key` is not one: it holds the id of an API key. */
const SECRET =
  /(?:authorization|cookies?|passw(?:or)?d|passphrase|(?:api|access|private)[-_]?key|secret|token|jwt|signature)$|^headers$/i;

const LEAST_LENGTH = 8;
/** Shorter ones are no secrets if they are words. */
const LEAST_LETTERS = 12;
/** A longer one of several kinds of characters is in no word or number by chance. */
const DISTINCT_LENGTH = 16;
/** Deeper objects are not written. */
const DEPTH = 6;
/** What the log is searched by. They name no secret, even one that is the same word. */
const OURS: ReadonlySet<string> = new Set(['event', 'level', 'time']);

/** Whether a secret is so short, or so much like a word, that blanking it would blank the words of the log. */
export const cannotBeBlanked = (secret: string): boolean =>
  secret.length < LEAST_LENGTH ||
  (secret.length < LEAST_LETTERS && /^(?:[A-Za-z]?[a-z]+|[A-Z]+)$/.test(secret));

/** Blanks a text; `frame` is one of a line of a stack that names a place in the code. */
interface Blank {
  text(text: string): string;
  frame(line: string): string;
}

export function createRedaction(): Redaction {
  const hidden = new Set<string>();
  const looks = new RegExp(MAY_LOOK);
  let known: RegExp | undefined;
  let distinct: RegExp | undefined;
  let quoted: RegExp | undefined;

  const blank: Blank = {
    text: (text) => withoutLooks(known ? text.replace(known, BLANK) : text),
    frame: (line) => (distinct ? line.replace(distinct, BLANK) : line),
  };

  return {
    hide(secrets) {
      for (const secret of secrets)
        if (!cannotBeBlanked(secret)) for (const form of formsOf(secret)) hidden.add(form);
      // The longest first: one form may be a part of another.
      const forms = [...hidden].sort((a, b) => b.length - a.length);
      known = matching(forms.map(wholeOf));
      distinct = matching(forms.filter(isDistinct).map((form) => RegExp.escape(form)));
      quoted = matching(
        [...new Set(forms.flatMap((form) => [form, escaped(form)]))].map((form) => RegExp.escape(form)),
        '',
      );
    },
    fields(fields) {
      try {
        return isPlain(fields) ? fields : plainObject(fields, 0);
      } catch {
        return { event: read(fields, 'event'), fields: UNREADABLE };
      }
    },
    error: (error) => plainValue(error, 0),
    line(text) {
      if (!looks.test(text) && !quoted?.test(text)) return text;
      const written = valueOfJson(text);
      return written === undefined ? blank.text(text) : `${JSON.stringify(blankedLine(written, blank))}\n`;
    },
  };
}

const matching = (patterns: readonly string[], flags = 'g'): RegExp | undefined =>
  patterns.length > 0 ? new RegExp(patterns.join('|'), flags) : undefined;

/** Whether nothing but this secret can be meant. */
const isDistinct = (form: string): boolean =>
  form.length >= DISTINCT_LENGTH &&
  [/\d/, /[a-z]/, /[A-Z]/, /[^\w-]/].filter((kind) => kind.test(form)).length >= 2;

/** Matches a form; one that is not distinct only as a whole word or number, where those escaped in a URL or in JSON end as well. */
function wholeOf(form: string): string {
  const pattern = RegExp.escape(form);
  if (isDistinct(form)) return pattern;
  const before = /^[\w-]/.test(form)
    ? '(?:(?<![\\w-])|(?<=%[\\dA-Fa-f]{2}|\\\\(?:[nrtbf]|u[\\dA-Fa-f]{4})))'
    : '';
  return `${before}${pattern}${/[\w-]$/.test(form) ? '(?![\\w-])' : ''}`;
}

/** As it stands in a line. */
const escaped = (text: string): string => JSON.stringify(text).slice(1, -1);

/** The names of its fields are those of our code; deeper ones may be data. */
function blankedLine(line: unknown, blank: Blank): unknown {
  if (typeof line !== 'object' || line === null || Array.isArray(line)) return blanked(line, blank);
  return Object.fromEntries(
    Object.entries(line).map(([name, value]) => [name, OURS.has(name) ? value : blanked(value, blank, name)]),
  );
}

function blanked(value: unknown, blank: Blank, of = ''): unknown {
  if (typeof value === 'string') return of === 'stack' ? blankedStack(value, blank) : blank.text(value);
  // A secret of digits alone may stand as a number.
  if (typeof value === 'number') return blank.text(String(value)) === String(value) ? value : BLANK;
  if (Array.isArray(value)) return value.map((item) => blanked(item, blank));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [blank.text(name), blanked(member, blank, name)]),
  );
}

const FRAME = /^ {4}at .*:\d+:\d+\)?$/;

/** Its messages are blanked like any text. Folders and functions may have the names of secrets. */
const blankedStack = (stack: string, blank: Blank): string =>
  stack
    .split(/(\n {4}at .*)/)
    .map((part) => (FRAME.test(part.slice(1)) ? blank.frame(part) : blank.text(part)))
    .join('');

/** Whether nothing of the fields has to be replaced. So it is with nearly all lines. */
function isPlain(fields: Readonly<Record<string, unknown>>): boolean {
  for (const name in fields) {
    const value = read(fields, name);
    if (typeof value === 'function' || SECRET.test(name)) return false;
    // An error is written by its serializer.
    if (typeof value === 'object' && value !== null && name !== 'err') return false;
  }
  return true;
}

function plainObject(fields: object, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(fields).map((name) => {
      if (SECRET.test(name)) return [name, BLANK];
      const value = read(fields, name);
      return [name, depth === 0 && name === 'err' ? value : plainValue(value, depth + 1)];
    }),
  );
}

function plainValue(value: unknown, depth: number): unknown {
  // It may be a `toJSON`.
  if (typeof value === 'function') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  try {
    return plainOf(value, depth);
  } catch {
    return UNREADABLE;
  }
}

/** Objects of classes are not data: a request, a response or a client has credentials somewhere. */
function plainOf(value: object, depth: number): unknown {
  if (depth > DEPTH) return '[…]';
  if (Array.isArray(value)) return Array.from(value, (item) => plainValue(item, depth + 1));
  if (isError(value)) return errorFacts(value, (other) => plainValue(other, depth + 1));
  if (value instanceof Date) return Date.prototype.toJSON.call(value);
  if (value instanceof URL) return value.href;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return plainObject(value, depth);
  return `[${prototype.constructor?.name ?? 'object'}]`;
}
