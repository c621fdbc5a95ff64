import { refusals } from './errors.ts';

export type Fields = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The one instance and the parameters of a `PredictLongRunningRequest`. */
export function readBody(body: unknown): { instance: Fields; parameters: Fields } {
  const { instances, parameters = {} } = isObject(body) ? body : {};
  if (!Array.isArray(instances) || instances.length !== 1 || !isObject(instances[0])) {
    throw refusals.invalid('`instances` must hold exactly one instance.');
  }
  if (!isObject(parameters)) throw refusals.invalid('`parameters` must be an object.');
  return { instance: instances[0], parameters };
}

export function textOf(fields: Fields, name: string): string | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw refusals.invalid(`The value for \`${name}\` must be a string.`);
  return value;
}

/** A whole number. Text with digits is accepted too, because the Gemini documentation shows `"8"`. */
export function numberOf(fields: Fields, name: string): number | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined) return undefined;
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (!Number.isInteger(number)) throw refusals.invalid(`The value for \`${name}\` must be an integer.`);
  return Number(number);
}

export function choiceOf<T extends string>(
  fields: Fields,
  name: string,
  allowed: readonly T[],
  fallback: T,
): T {
  const value = textOf(fields, name) ?? fallback;
  const found = allowed.find((word) => word === value);
  if (found !== undefined) return found;
  throw refusals.invalid(
    `${value} for \`${name}\` is not supported. Supported values: ${allowed.join(', ')}.`,
  );
}
