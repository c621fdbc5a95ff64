import type { z } from 'zod';
import { list } from '../words.ts';
import { nearest } from './nearest.ts';

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

const anyOf = (values: readonly unknown[]): string => list(values.map(String), 'or');

/**
 * An error map for `safeParse`: says in plain English what is wrong with a setting. Undefined keeps the message of the validator.
 * It is only called for schemas without a message of their own. `others`: what the mapping may have besides what its schema says.
 */
export function plainWords(issue: z.core.$ZodRawIssue, others: readonly string[] = []): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is missing';
      return `must be ${KINDS[issue.expected] ?? issue.expected}`;
    case 'too_big':
      return `must be ${issue.inclusive === false ? 'less than' : 'at most'} ${sized(issue.origin, issue.maximum)}`;
    case 'too_small':
      if (issue.minimum === 1 && issue.origin !== 'number' && issue.origin !== 'int')
        return 'must not be empty';
      return `must be ${issue.inclusive === false ? 'more than' : 'at least'} ${sized(issue.origin, issue.minimum)}`;
    case 'invalid_value':
      return `${issue.input === undefined ? 'is missing; it ' : ''}must be ${anyOf(issue.values)}`;
    case 'unrecognized_keys':
      return `there is no ${anyOf(issue.keys.map((key) => `"${key}"`))} here${meant(issue.keys, [...new Set([...membersOf(issue.inst), ...others])])}`;
    case 'invalid_union':
      return issue.discriminator === undefined ? unionWords(issue) : `has an unknown ${issue.discriminator}`;
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    default:
      return undefined;
  }
}

/** A short list of members is shown if none of them is like an unknown one. */
const FEW = 16;

function meant(keys: readonly string[], members: readonly string[]): string {
  const guesses = keys.flatMap((key) => nearest(key, members, 1));
  if (guesses.length > 0) return `; did you mean ${list([...new Set(guesses)], 'and')}?`;
  return members.length > 0 && members.length <= FEW ? `; there may be ${list(members, 'and')}` : '';
}

/** What a mapping may have: members, or the keys that are allowed. */
function membersOf(schema: unknown): readonly string[] {
  const { shape = {}, keyType } = ((schema as z.core.$ZodType | undefined)?._zod.def ?? {}) as {
    readonly shape?: object;
    readonly keyType?: z.core.$ZodType;
  };
  return [...Object.keys(shape), ...(keyType?._zod.values ?? [])].map(String);
}

/** Lists the accepted kinds of a value or, if a value has one of them, what the form that it resembles most says of it. */
function unionWords({ errors = [] }: { readonly errors?: readonly (readonly z.core.$ZodIssue[])[] }) {
  const kinds = errors.flatMap(([first]) =>
    first?.code === 'invalid_type' && first.path.length === 0 ? (KINDS[first.expected] ?? []) : [],
  );
  if (kinds.length === errors.length) return `must be ${anyOf([...new Set(kinds)])}`;
  const [closest] = [...errors].sort((a, b) => a.length - b.length);
  return closest?.map(({ path, message }) => [...path.map(String), message].join(': ')).join('; ');
}

/** A limit with its unit; a limit on the value itself has none. */
function sized(origin: string, limit: number | bigint): string {
  if (origin === 'string') return `${limit} characters long`;
  if (origin === 'array' || origin === 'set') return `${limit} long`;
  return String(limit);
}
