import type { z } from 'zod';
import { list } from '../words.ts';

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
 * It is only called for schemas without a message of their own.
 */
export function plainWords(issue: z.core.$ZodRawIssue): string | undefined {
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
      return `there is no ${anyOf(issue.keys.map((key) => `"${key}"`))} here`;
    case 'invalid_union':
      return issue.discriminator === undefined ? unionWords(issue) : `has an unknown ${issue.discriminator}`;
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    default:
      return undefined;
  }
}

/** Lists the accepted kinds of a value. */
function unionWords({ errors = [] }: { readonly errors?: readonly (readonly z.core.$ZodIssue[])[] }) {
  const kinds = errors.flatMap(([first]) =>
    first?.code === 'invalid_type' ? (KINDS[first.expected] ?? []) : [],
  );
  return kinds.length === errors.length ? `must be ${anyOf([...new Set(kinds)])}` : undefined;
}

/** A limit with its unit; a limit on the value itself has none. */
function sized(origin: string, limit: number | bigint): string {
  if (origin === 'string') return `${limit} characters long`;
  if (origin === 'array' || origin === 'set') return `${limit} long`;
  return String(limit);
}
