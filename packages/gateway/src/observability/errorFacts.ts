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
  'hint',
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

/** How many errors are written of one with causes and inner errors, and how deep. Either may lead back to the first. */
const MOST = 32;
const DEPTH = 6;
const MORE = '[…]';
/** Stands for what threw when it was read. */
export const UNREADABLE = '[unreadable]';

/** Whether it is an error, also one that no constructor made. */
export const isError = (value: unknown): value is Error => Error.isError(value) || value instanceof Error;

/** A member, also of an object whose getters throw. */
export function read(of: object, name: PropertyKey): unknown {
  try {
    return Reflect.get(of, name);
  } catch {
    return UNREADABLE;
  }
}

/**
 * What is written of an error: its type, its message and stack with those of its causes, known facts, and the same of its cause and its
 * inner errors. A cause that is no error is written by `plain`.
 */
export function errorFacts(error: Error, plain: (value: unknown) => unknown): Record<string, unknown> {
  const chain = chainOf(error);
  const messages = [textOf(error, 'message'), ...chain.slice(1).map(saidBy)].filter(Boolean);
  const stacks = chain.map((one) => textOf(one, 'stack')).filter(Boolean);
  const { type, message: _own, ...rest } = factsOf(error, plain, { left: MOST }, 0);
  return { type, message: messages.join(': '), stack: stacks.join('\ncaused by: '), ...rest };
}

/** The error and its causes. */
function chainOf(error: Error): Error[] {
  const chain: Error[] = [];
  for (let at: unknown = error; isError(at) && chain.length < DEPTH && !chain.includes(at); )
    at = read(chain[chain.push(at) - 1] ?? at, 'cause');
  return chain;
}

function factsOf(error: Error, plain: (value: unknown) => unknown, budget: { left: number }, depth: number) {
  budget.left -= 1;
  const inner = (value: unknown): unknown => {
    if (!isError(value)) return plain(value);
    return budget.left > 0 && depth < DEPTH ? factsOf(value, plain, budget, depth + 1) : MORE;
  };
  const facts: Record<string, unknown> = { type: typeOf(error), message: textOf(error, 'message') };
  for (const name of FACTS) {
    const value = read(error, name);
    if (value !== undefined && typeof value !== 'object' && typeof value !== 'function') facts[name] = value;
  }
  const cause = read(error, 'cause');
  if (cause !== undefined && cause !== null && typeof cause !== 'function') facts.cause = inner(cause);
  const errors = read(error, 'errors');
  if (Array.isArray(errors) && errors.length > 0)
    facts.aggregateErrors = [...errors.slice(0, MOST).map(inner), ...(errors.length > MOST ? [MORE] : [])];
  return facts;
}

function typeOf(error: Error): string {
  const made = read(error, 'constructor');
  const name = typeof made === 'function' ? made.name : read(error, 'name');
  return typeof name === 'string' && name !== '' ? name : 'Error';
}

const textOf = (error: Error, name: 'message' | 'stack' | 'code'): string => {
  const text = read(error, name);
  return typeof text === 'string' ? text : '';
};

/** Node's errors of several addresses have a code and no message. */
const saidBy = (error: Error): string => textOf(error, 'message') || textOf(error, 'code') || typeOf(error);
