import { Expression, fill, type Template } from './expressions.ts';
import type { ProviderFile } from './schema.ts';

/** Characters of an id that a row of the store should not exceed. */
const MAX_LENGTH = 4096;

/**
 * The id of a job as it is stored: the upstream's own, or the JSON of a mapping if a file needs more to find a job again, such as its kind.
 * Undefined if there is none. Throws if an expression fails.
 */
export async function writeId(
  template: Template,
  scope: unknown,
  variables: Readonly<Record<string, unknown>>,
): Promise<string | undefined> {
  const value = await fill(template, scope, variables);
  if (isMapping(template)) {
    const complete =
      isMapping(value) && Object.keys(template).every((name) => isId(Reflect.get(value, name)));
    const text = complete ? storedId(value) : '';
    return text === '' || text.length > MAX_LENGTH ? undefined : text;
  }
  return isId(value) ? String(value) : undefined;
}

/**
 * An id in the form in which it is stored. Members of a mapping are texts in the order of their names, because ids are compared as texts, and an
 * upstream may write a number as a text elsewhere.
 */
export const storedId = (id: unknown): string =>
  isMapping(id)
    ? JSON.stringify(
        Object.fromEntries(
          Object.entries(id)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([name, member]) => [name, String(member)]),
        ),
      )
    : String(id);

/** An id in the form that a file gives to ids, with words in place of what an upstream would say. */
export const sampleId = (template: Template): string =>
  isMapping(template)
    ? storedId(Object.fromEntries(Object.keys(template).map((name) => [name, `<${name}>`])))
    : '<id>';

/** The id as expressions read it; undefined if this file did not write it. */
export function readId({ job: { id } }: Pick<ProviderFile, 'job'>, stored: string): unknown {
  if (!isMapping(id)) return stored;
  try {
    const value: unknown = JSON.parse(stored);
    return isMapping(value) && Object.keys(id).every((name) => Object.hasOwn(value, name))
      ? value
      : undefined;
  } catch {
    return undefined;
  }
}

/** A larger number has lost digits when the answer was parsed. No URL can name the other texts: it has no such segment, and no half characters. */
export const isId = (value: unknown): value is string | number =>
  typeof value === 'string'
    ? !['', '.', '..'].includes(value) && value.isWellFormed() && value.length <= MAX_LENGTH
    : Number.isSafeInteger(value);

const isMapping = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Expression);
