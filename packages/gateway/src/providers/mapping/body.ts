import type { VideoRequest } from '../../tasks/request.ts';

/** JSON that is sent upstream. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json | undefined };

/** Where a parameter of a request goes in an upstream's body. */
export type ParameterRow = {
  readonly [F in keyof VideoRequest]-?: {
    readonly from: F;
    /** Path in the body: `parameters.seed`. */
    readonly to: string;
    /** Writes the value as the upstream wants it. Undefined leaves it out. */
    readonly as?: (value: NonNullable<VideoRequest[F]>, request: VideoRequest) => Json | undefined;
  };
}[keyof VideoRequest];

type Writable = { [name: string]: Json | undefined };

/** Builds a body from a request by an upstream's parameter table. Parameters that the request does not have are left out. */
export function bodyOf(
  rows: readonly ParameterRow[],
  request: VideoRequest,
): { [name: string]: Json | undefined } {
  const body: Writable = {};
  for (const row of rows) {
    const value = written(row, request);
    if (value !== undefined) put(body, row.to.split('.'), value);
  }
  return body;
}

function written(row: ParameterRow, request: VideoRequest): Json | undefined {
  const value = request[row.from];
  if (value === undefined) return undefined;
  // The type of the row guarantees that `as` takes the field that `from` names.
  const write = row.as as ((given: unknown, request: VideoRequest) => Json | undefined) | undefined;
  return write ? write(value, request) : (value as Json);
}

/**
 * Merges a caller's `provider_options` into a body, member by member. A caller cannot set the top-level members in `reserved`,
 * such as the model that is paid for or the operator's callback.
 */
export function withOptions(
  body: Writable,
  options: VideoRequest['providerOptions'],
  reserved: readonly string[],
): Writable {
  const allowed = Object.entries(options ?? {}).filter(([name]) => !reserved.includes(name));
  return merge(body, Object.fromEntries(allowed));
}

function merge(base: Writable, over: Readonly<Record<string, unknown>>): Writable {
  const merged: Writable = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const before = merged[name];
    merged[name] = isObject(before) && isObject(value) ? merge({ ...before }, value) : (value as Json);
  }
  return merged;
}

function put(target: Writable, [name, ...rest]: string[], value: Json): void {
  if (name === undefined) return;
  if (rest.length === 0) {
    target[name] = value;
    return;
  }
  const inner: Writable = isObject(target[name]) ? { ...target[name] } : {};
  put(inner, rest, value);
  target[name] = inner;
}

const isObject = (value: unknown): value is Writable =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
