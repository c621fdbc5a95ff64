import { parseArgs } from 'node:util';
import { FOLDERS } from './scope.ts';

export interface Asked {
  readonly places: readonly Place[];
  readonly sample: number | undefined;
  readonly seed: number;
  readonly tests: readonly string[];
  readonly budgetMs: number;
  /** After this time no further mutant is begun. */
  readonly limitMs: number;
  readonly lanes: number;
  readonly fresh: boolean;
}

/** A file or folder from the root of the repository, with or without lines. */
export interface Place {
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

export class UsageError extends Error {}

/** Reads the command line. */
export function parseArguments(args: readonly string[]): Asked {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  const number = (name: 'sample' | 'seed' | 'budget' | 'minutes' | 'lanes'): number | undefined => {
    const text = values[name];
    if (text === undefined) return undefined;
    if (!/^\d+$/.test(text)) throw new UsageError(`--${name} takes a whole number, not "${text}"`);
    return Number(text);
  };
  return {
    places: positionals.map(place),
    sample: number('sample'),
    seed: number('seed') ?? 1,
    tests: values.tests ?? [],
    budgetMs: (number('budget') ?? 60) * 1000 || Number.POSITIVE_INFINITY,
    limitMs: (number('minutes') ?? 0) * 60_000 || Number.POSITIVE_INFINITY,
    lanes: Math.max(1, number('lanes') ?? 1),
    fresh: values.fresh ?? false,
  };
}

const parse = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      sample: { type: 'string' },
      seed: { type: 'string' },
      tests: { type: 'string', multiple: true },
      budget: { type: 'string' },
      minutes: { type: 'string' },
      lanes: { type: 'string' },
      fresh: { type: 'boolean' },
    },
  });

/** `path`, `path:12` or `path:12-30`; a path may begin below `packages/gateway/src`. */
function place(text: string): Place {
  const [, written = '', first, last] = /^(.+?)(?::(\d+)(?:-(\d+))?)?$/.exec(text) ?? [];
  const trimmed = written.replace(/^\.\//, '').replace(/\/$/, '');
  const path = trimmed.startsWith('packages/') ? trimmed : `packages/gateway/src/${trimmed}`;
  if (
    !FOLDERS.some(
      (folder) => path === folder || path.startsWith(`${folder}/`) || folder.startsWith(`${path}/`),
    )
  ) {
    throw new UsageError(`${text} is in none of the folders that are mutated: ${FOLDERS.join(', ')}`);
  }
  const from = first === undefined ? 0 : Number(first);
  return { path, from, to: first === undefined ? Number.POSITIVE_INFINITY : Number(last ?? first) };
}

/** Whether a line of a file is among the places; without places everything is. */
export function isAsked(places: readonly Place[], file: string, line: number): boolean {
  return (
    places.length === 0 ||
    places.some(
      ({ path, from, to }) => (file === path || file.startsWith(`${path}/`)) && line >= from && line <= to,
    )
  );
}
