import type { VideoRequest } from '../../tasks/request.ts';

/** JSON on its way upstream. */
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
    /** The upstream's way to write the value; undefined leaves it out. */
    readonly as?: (value: NonNullable<VideoRequest[F]>, request: VideoRequest) => Json | undefined;
  };
}[keyof VideoRequest];

type Writable = { [name: string]: Json | undefined };

/** Builds a body from a request by an upstream's parameter table; what a request does not have is left out. */
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
  // The row's own type ties `as` to the field that `from` names.
  const write = row.as as ((given: unknown, request: VideoRequest) => Json | undefined) | undefined;
  return write ? write(value, request) : (value as Json);
}

/**
 * A body with a caller's `provider_options` put over it, member by member. `reserved` are the top-level members that a
 * caller must not reach: the model that is paid for, the operator's callback.
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
