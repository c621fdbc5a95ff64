import type { VideoRequest } from '../../tasks/request.ts';
import { UpstreamError } from '../provider.ts';

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

/** What an adapter says about the `provider_options` of requests. */
export type OptionRules = {
  /** The body that the adapter writes itself for this request, in the form that options are merged into. */
  readonly own: Writable;
} & (
  | {
      /** Members that no caller may set, whether or not the adapter sets them, as paths: `parameters.sampleCount`. */
      readonly reserved: readonly string[];
    }
  | {
      /** The only members that a caller may set, as paths. None of them is in `own`. */
      readonly allowed: readonly string[];
    }
);

/**
 * The members of a caller's `provider_options` that would not reach the upstream, or would replace what the gateway has checked and sends
 * itself, as paths. Options only add to a request.
 */
export function refusedOptions(rules: OptionRules, options: VideoRequest['providerOptions'] = {}): string[] {
  return 'allowed' in rules
    ? outside(rules.allowed, options, '')
    : refusedIn(rules.own, options, rules.reserved, '');
}

function outside(
  allowed: readonly string[],
  options: Readonly<Record<string, unknown>>,
  prefix: string,
): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const path = `${prefix}${name}`;
    if (allowed.includes(path)) return [];
    const holdsAllowed = allowed.some((one) => one.startsWith(`${path}.`));
    return holdsAllowed && isObject(value) ? outside(allowed, value, `${path}.`) : [path];
  });
}

function refusedIn(
  own: Writable,
  options: Readonly<Record<string, unknown>>,
  reserved: readonly string[],
  prefix: string,
): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const path = `${prefix}${name}`;
    const mine = own[name];
    const holdsReserved = reserved.some((one) => one.startsWith(`${path}.`));
    if (reserved.includes(path)) return [path];
    if (isObject(value) && (isObject(mine) || (mine === undefined && holdsReserved))) {
      return refusedIn(isObject(mine) ? mine : {}, value, reserved, `${path}.`);
    }
    return mine === undefined && !holdsReserved ? [] : [path];
  });
}

/** Merges a caller's `provider_options` into a body. Throws if they may not be set; every submit is checked for that before. */
export function withOptions(rules: OptionRules, options: VideoRequest['providerOptions']): Writable {
  const refused = refusedOptions(rules, options);
  if (refused.length === 0) return merge(rules.own, options ?? {});
  throw new UpstreamError('invalid_request', { created: 'no', message: refusedOptionsText(refused) });
}

/** What a caller is told about options that may not be set. */
export const refusedOptionsText = (paths: readonly string[]): string =>
  `provider_options cannot set ${paths.join(', ')}, because the gateway decides on it: leave it out, and use the fields of the request.`;

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
