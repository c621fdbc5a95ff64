import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, relative, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { catchInterruption, Interrupted } from '@onetake/gateway';
import { optionsOf } from '../../chaos/shared/optionsOf.ts';
import NODE_FLAGS from '../../scripts/nodeFlags.json' with { type: 'json' };
import { createDatabase, startPostgres } from '../../scripts/servers/postgres.ts';
import { type Figure, report } from '../shared/figures.ts';

/**
 * Runs `script measure <database> <args>` in a process of its own, with an empty database, and resolves with what it prints as JSON.
 * A bench calls itself that way, so that each measurement has memory of its own.
 */
type Measure = <Measured>(script: string, args: readonly string[]) => Promise<Measured>;

/** Offers measurements on a PostgreSQL server that ends with the bench, also if the bench is interrupted. */
export async function withPostgres(work: (measure: Measure) => Promise<void>): Promise<void> {
  const { signal } = catchInterruption();
  /** The folder for the temporary files of the measurements: one that is killed leaves some. */
  const temporary = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
  const postgres = await startPostgres({ durable: true });
  try {
    await work(async (script, args) => {
      const database = await createDatabase(postgres.url);
      const child = spawn(
        process.execPath,
        [...NODE_FLAGS, '--expose-gc', script, 'measure', database, ...args],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
          env: { ...process.env, TMPDIR: temporary },
          signal,
        },
      );
      child.on('error', () => undefined);
      const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
      // Its own message is on standard error.
      if (code !== 0) throw new Error(`${script} could not measure`);
      return JSON.parse(output.trim().split('\n').at(-1) ?? '');
    });
  } catch (error) {
    if (!(signal.reason instanceof Interrupted)) throw error;
    process.exitCode = signal.reason.exitCode;
  } finally {
    await postgres.close();
    await rm(temporary, { recursive: true, force: true });
  }
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What one measurement found, by name: `CPU per poll, µs`. */
type Figures = Readonly<Record<string, number>>;

/**
 * The program of a bench that compares: runs `measure` several times, each in a process of its own, and prints every figure. With
 * `--against`, another checkout that has the same bench is measured in turns with this one, so that the machine's noise affects
 * both: read the ratio. `aims` are those of single figures, by name.
 */
export async function measureInTurns(
  script: string,
  defaults: { readonly bench: string; readonly tasks: string },
  measure: (databaseUrl: string, tasks: number) => Promise<Figures>,
  aims: Readonly<Record<string, Figure['aim']>> = {},
): Promise<void> {
  const [first, databaseUrl = '', count] = process.argv.slice(2);
  if (first === 'measure') {
    console.log(JSON.stringify(await measure(databaseUrl, Number(count))));
    process.exit();
  }
  const { tasks, rounds, against } = optionsOf(
    {
      tasks: { type: 'string', default: defaults.tasks },
      rounds: { type: 'string', default: '3' },
      against: { type: 'string' },
    },
    `npm run bench:${defaults.bench} -- [--tasks ${defaults.tasks}] [--rounds 3] [--against checkout]`,
    { numbers: ['tasks', 'rounds'] },
  );
  const checkouts = against === undefined ? [ROOT] : [resolve(against), ROOT];
  const figures: Figures[][] = checkouts.map(() => []);
  try {
    await withPostgres(async (inChild) => {
      for (let round = 0; round < Number(rounds); round++)
        for (const [index, checkout] of checkouts.entries())
          figures[index]?.push(await inChild<Figures>(join(checkout, relative(ROOT, script)), [tasks]));
    });
  } finally {
    // Also of a bench that a measurement has ended.
    report(figuresOf(checkouts, figures, aims));
  }
}

/** The figures of each checkout and, of two, their ratios. */
function figuresOf(
  checkouts: readonly string[],
  [first = [], second]: readonly (readonly Figures[])[],
  aims: Readonly<Record<string, Figure['aim']>>,
): readonly Figure[] {
  return Object.keys(first[0] ?? {}).flatMap((title) => {
    const [, name = title, unit = ''] = /^(.*), (\S+)$/.exec(title) ?? [];
    const [here, there] = [valuesOf(first, title), valuesOf(second ?? [], title)];
    const aim = aims[title];
    if (!second) return [{ name, unit, rounds: here, ...(aim && { aim }) }];
    const [former = '', present = ''] = checkouts.map((checkout) => basename(checkout));
    const ratios = there.map((value, round) => value / (here[round] ?? Number.NaN));
    return [
      { name: `${name}, ${former}`, unit, rounds: here },
      { name: `${name}, ${present}`, unit, rounds: there },
      { name: `${name}, ratio`, unit: '×', rounds: ratios },
    ];
  });
}

function valuesOf(rounds: readonly Figures[], name: string): number[] {
  return rounds.map((figures) => figures[name] ?? Number.NaN);
}
