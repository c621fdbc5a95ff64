import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import { afterAll, beforeAll, expect } from 'vitest';
import { seeded } from '../support/seeded.ts';
import { tempFolder } from '../support/tempFolder.ts';
import type { KillPlan } from './killAtStep.ts';

/** At how many points each program is killed; 0 for all. */
const POINTS = Number(process.env.ONETAKE_KILL_POINTS ?? 4);
/** Repeats a run; another seed kills at other points. */
const SEED = Number(process.env.ONETAKE_KILL_SEED ?? 1);
/** A program takes about a second; one this long is stuck. */
const STUCK_MS = 60_000;

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const [PRELOAD, LIFE] = [file('./killAtStep.ts'), file('./life.ts')];

let cache: string;
beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), 'onetake-'));
});
afterAll(() => rm(cache, { recursive: true, force: true }));

/** A program and its folder. */
export interface Program {
  /** The program: a file and its arguments. By default that of `life.ts`. */
  readonly file?: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Scenario<P extends Program> {
  /** Steps that it must take: if they were no longer counted, nothing would be killed at them. */
  readonly steps: readonly RegExp[];
  /** A place of its own for each kill, all equal. */
  fresh(): Promise<P>;
  /** Checks what a killed program left, before anything continues from there. */
  left?(place: P): Promise<void>;
  /** What a user does then; by default the same again. */
  again?(place: P): Promise<void>;
  /** Checks the final state. */
  ended(place: P): Promise<void>;
}

/** Lets a program end by itself, then kills it at a sample of its steps, each in a fresh place. */
export async function killAnywhere<P extends Program>(scenario: Scenario<P>): Promise<void> {
  const report = join(await tempFolder(), 'steps');
  const whole = await scenario.fresh();
  expect((await run(whole, { report })).signal).toBe(null);
  const steps = (await readFile(report, 'utf8')).trimEnd().split('\n');
  for (const step of scenario.steps) expect(steps).toContainEqual(expect.stringMatching(step));
  await scenario.ended(whole);

  const moments = sample(steps.flatMap((name, n) => MOMENTS.map((when) => ({ step: n + 1, when, name }))));
  const two = pLimit(2);
  const kills = moments.map(({ name, ...moment }) =>
    two(async () => {
      const place = await scenario.fresh();
      const { signal } = await run(place, { ...moment, report });
      try {
        await scenario.left?.(place);
        if (scenario.again) await scenario.again(place);
        else await run(place);
        await scenario.ended(place);
      } catch (cause) {
        throw new Error(`killed ${moment.when} step ${moment.step} of ${steps.length}: ${name}`, { cause });
      }
      return signal;
    }),
  );
  // A run with another order may end before the step comes; usually none does.
  const killed = (await Promise.all(kills)).filter((signal) => signal === 'SIGKILL');
  expect(killed.length).toBeGreaterThan(moments.length / 2);
}

const MOMENTS = ['before', 'during', 'after'] as const;

/** Runs a program to its end; throws if it fails by itself. */
export async function run(
  { file: path = LIFE, args, env }: Program,
  plan?: KillPlan,
): Promise<{ signal: NodeJS.Signals | null }> {
  const child = spawn(process.execPath, ['--import', PRELOAD, path, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: cache,
      ...env,
      ...(plan ? { ONETAKE_KILL: JSON.stringify(plan) } : {}),
    },
  });
  const complaints = text(child.stderr);
  const stuck = setTimeout(() => child.kill('SIGTERM'), STUCK_MS);
  const [code, signal] = await once(child, 'exit');
  clearTimeout(stuck);
  if (signal !== 'SIGKILL' && code !== 0) {
    throw new Error(`${args.join(' ')} ended with ${signal ?? code}: ${await complaints}`);
  }
  return { signal };
}

/** Spread over the whole range, with one random point in each part of it. */
function sample<T>(all: readonly T[]): readonly T[] {
  if (POINTS === 0 || all.length <= POINTS) return all;
  const random = seeded(SEED);
  return Array.from({ length: POINTS }, (_, n) => {
    const at = Math.floor(((n + random()) * all.length) / POINTS);
    return all[at] as T;
  });
}
