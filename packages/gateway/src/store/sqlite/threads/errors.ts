import Sqlite from 'better-sqlite3';
import { StoreRefused, StoreUnavailable } from '../../errors.ts';

/** An error on its way from a thread: cloned, it would lose its class and its code. */
export interface ErrorData {
  readonly kind: 'refused' | 'unavailable' | 'sqlite' | 'other';
  readonly name: string;
  readonly message: string;
  readonly code: string | undefined;
  readonly stack: string | undefined;
  readonly retryAfterSeconds: number;
  readonly cause: ErrorData | undefined;
}

export function errorToData(error: unknown): ErrorData {
  if (!(error instanceof Error)) return errorToData(new Error(String(error)));
  return {
    kind: kindOf(error),
    name: error.name,
    message: error.message,
    code: 'code' in error ? String(error.code) : undefined,
    stack: error.stack,
    retryAfterSeconds: error instanceof StoreUnavailable ? (error.details.retryAfterSeconds ?? 0) : 0,
    cause: error.cause === undefined ? undefined : errorToData(error.cause),
  };
}

function kindOf(error: Error): ErrorData['kind'] {
  if (error instanceof StoreRefused) return 'refused';
  if (error instanceof StoreUnavailable) return 'unavailable';
  return error instanceof Sqlite.SqliteError ? 'sqlite' : 'other';
}

/** The same error, with the stack of where it happened. */
export function errorFromData(data: ErrorData): Error {
  const error = made(data);
  if (data.stack !== undefined) error.stack = data.stack;
  return error;
}

function made({ kind, name, message, code, retryAfterSeconds, cause: data }: ErrorData): Error {
  const cause = data && errorFromData(data);
  if (kind === 'refused') return new StoreRefused(cause);
  if (kind === 'unavailable') return new StoreUnavailable(message, retryAfterSeconds, cause);
  if (kind === 'sqlite') return new Sqlite.SqliteError(message, code ?? 'SQLITE_ERROR');
  const error = new Error(message, cause === undefined ? undefined : { cause });
  error.name = name;
  return code === undefined ? error : Object.assign(error, { code });
}
