import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type babel, Instrumenter } from '@stryker-mutator/instrumenter';
import { FOLDERS, whyIgnored } from './scope.ts';

/** A change of the code that some test should notice. */
export interface Mutant {
  /** The id by which the instrumented code switches it on; new with each run. */
  readonly id: string;
  /** A key that stays the same as long as its line's code does, wherever that moves within its file. */
  readonly key: string;
  /** The path from the root of the repository. */
  readonly file: string;
  readonly line: number;
  /** The whole text of that line. */
  readonly code: string;
  readonly mutator: string;
  readonly original: string;
  readonly replacement: string;
}

export interface Instrumented {
  readonly mutants: readonly Mutant[];
  /** The text of each mutated file with all its mutants, each behind a switch. */
  readonly files: ReadonlyMap<string, string>;
  readonly ignored: number;
}

const nothing = () => undefined;
const silent = {
  isTraceEnabled: () => false,
  isDebugEnabled: () => false,
  isInfoEnabled: () => false,
  isWarnEnabled: () => false,
  isErrorEnabled: () => false,
  isFatalEnabled: () => false,
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  fatal: nothing,
};

/** Reads the mutated folders below `root`. */
export function sourcesOf(root: string): ReadonlyMap<string, string> {
  const files = globSync(
    FOLDERS.map((folder) => `${folder}/**/*.ts`),
    { cwd: root },
  ).sort();
  return new Map(files.map((file) => [file, readFileSync(path.join(root, file), 'utf8')]));
}

/** Puts every mutant into the code, each behind a switch of its own. */
export async function instrument(sources: ReadonlyMap<string, string>): Promise<Instrumented> {
  const { files, mutants } = await new Instrumenter(silent).instrument(
    [...sources].map(([name, content]) => ({ name, content, mutate: true })),
    {
      plugins: null,
      excludedMutations: [],
      ignorers: [{ shouldIgnore: (path) => whyIgnored(path as babel.NodePath) }],
    },
  );
  const keys = new Map<string, number>();
  const counted = mutants.filter(({ status }) => status !== 'Ignored');
  return {
    files: new Map(files.map(({ name, content }) => [name, content])),
    ignored: mutants.length - counted.length,
    mutants: counted.map(({ id, fileName: file, location, mutatorName: mutator, replacement }) => {
      const source = sources.get(file) ?? '';
      const original = textAt(source, location);
      const same = `${file}|${mutator}|${original}|${replacement}`;
      const before = keys.get(same) ?? 0;
      keys.set(same, before + 1);
      return {
        id,
        key: `${same}|${before}`,
        file,
        line: location.start.line + 1,
        code: source.split('\n')[location.start.line] ?? '',
        mutator,
        original,
        replacement,
      };
    }),
  };
}

interface Position {
  readonly line: number;
  readonly column: number;
}

function textAt(source: string, { start, end }: { start: Position; end: Position }): string {
  const lines = source.split('\n').slice(start.line, end.line + 1);
  const last = lines.length - 1;
  lines[last] = lines[last]?.slice(0, end.column) ?? '';
  lines[0] = lines[0]?.slice(start.column) ?? '';
  return lines.join('\n');
}
