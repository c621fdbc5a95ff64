import type { HttpOptions } from '../http/calls.ts';
import type { Scrub } from '../http/secrets.ts';
import { type ErrorRow, refusalError, type UpstreamRefusal } from '../mapping/errorTable.ts';
import { UpstreamError } from '../provider.ts';
import type { Expression } from './expressions.ts';
import type { ProviderFile } from './schema.ts';

/** A refusal that means, for a call about a job, that the upstream does not know it. */
export class NoSuchJob extends UpstreamError {
  constructor({ reason, message, created, detail }: UpstreamError) {
    super(reason, { message, created, ...(detail === undefined ? {} : { detail }) });
  }
}

/** How a file's upstream refuses calls. */
export interface Errors extends Pick<HttpOptions, 'refusal' | 'error'> {
  /** The table of the file, for jobs that failed. */
  readonly table: readonly ErrorRow[];
  /** Throws if an answer with 2xx is an error. */
  check(body: unknown): Promise<void>;
}

export function createErrors(
  { when, code, message, missing, table: rows }: ProviderFile['errors'],
  scrub: Scrub,
): Errors {
  const table = rows.map(
    ({ code_matches: pattern, message_matches: words, code: exact, ...row }): ErrorRow => {
      const wanted = exact ?? pattern;
      return {
        ...defined(row),
        ...(wanted === undefined ? {} : { code: wanted }),
        ...(words ? { message: words } : {}),
      };
    },
  );

  const isMissing = ({ status, code: word, isForeign }: UpstreamRefusal): boolean =>
    !isForeign &&
    missing.some(
      (wanted) =>
        (wanted.status === undefined || isIn(status, wanted.status)) &&
        (wanted.code === undefined || wanted.code === word),
    );

  /** Keeps what can be read. An error in an unexpected form must not hide its status. */
  async function refusal(body: unknown): Promise<UpstreamRefusal> {
    const [word, words] = await Promise.all([textOf(code, body), textOf(message, body)]);
    return {
      ...(word === undefined ? {} : { code: word }),
      ...(words === undefined ? {} : { message: words }),
    };
  }

  function error(refused: UpstreamRefusal): UpstreamError {
    const made = refusalError(table, refused);
    return isMissing(refused) ? new NoSuchJob(made) : made;
  }

  return {
    table,
    refusal,
    error,
    async check(body) {
      if (!when || !(await read(() => when.evaluate(body)))) return;
      const { message: words, ...rest } = await refusal(body);
      throw error({ ...rest, ...(words === undefined ? {} : { message: scrub(words) }) });
    },
  };
}

/** Reads something from an answer. A failing expression means that the answer is not what the file expects, and nobody can tell what it means. */
export async function read<T>(reading: () => Promise<T>): Promise<T> {
  try {
    return await reading();
  } catch (error) {
    if (error instanceof UpstreamError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new UpstreamError('upstream_unavailable', {
      detail: `an answer that cannot be read: ${why}`,
      cause: error,
    });
  }
}

/** A text or a number as text; undefined for anything else. */
export async function textOf(
  expression: Expression | undefined,
  scope: unknown,
): Promise<string | undefined> {
  const value = await expression?.evaluate(scope).catch(() => undefined);
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

type Status = NonNullable<ErrorRow['status']>;

const isIn = (status: number | undefined, wanted: Status): boolean =>
  status !== undefined &&
  (typeof wanted === 'number' ? status === wanted : status >= wanted[0] && status <= wanted[1]);

const defined = <T extends object>(members: T) =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
