import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);

/** What a program of the repository writes and how it ends. */
async function ended(program: string, ...args: string[]) {
  try {
    await run(process.execPath, [program, ...args]);
  } catch (error) {
    return error as { readonly code: number; readonly stderr: string };
  }
  throw new Error(`${program} ${args.join(' ')} did its work`);
}

it.each<[string, readonly string[], RegExp]>([
  [
    'packages/simulators/src/main.ts',
    ['--only', 'opnai'],
    /^There is no simulator "opnai"; there is .*openai/,
  ],
  ['packages/simulators/src/main.ts', ['--scale', 'slow'], /^--scale takes a positive number, not "slow"/],
  ['packages/simulators/src/main.ts', ['--port-base', 'x'], /^--port-base takes a positive number, not "x"/],
  [
    'bench/polling.ts',
    ['--only', 'log-normal,unknown'],
    /^--only: there is no "unknown"; there is .*log-normal/,
  ],
  ['bench/polling.ts', ['--tasks', 'many'], /^--tasks takes a number of 0 or more, not "many"/],
  ['bench/tracking.ts', ['--families', 'sorra'], /^--families: there is no "sorra"; there is .*sora/],
  ['bench/tracking.ts', ['--times', 'long'], /^--times: there is no "long"; there is catalogue, shorter/],
  ['bench/tracking.ts', ['--in-flight', '1,x'], /^--in-flight takes a number of 0 or more, not "x"/],
  ['bench/limits.ts', ['--minutes', 'all'], /^--minutes takes a number of 0 or more, not "all"/],
  ['bench/main.ts', ['--only', 'list'], /^--only: there is no "list"; there is .*lists/],
  ['bench/main.ts', ['lists'], /^"lists" is no option. Name a bench with --only lists/],
  ['bench/main.ts', ['--', '--rows', '1'], /^The options after the second -- are those of one bench/],
  ['bench/cluster.ts', ['abc'], /abc/],
  ['bench/cluster.ts', ['--levels', '100,abc'], /^--levels takes a number of 0 or more, not "abc"/],
  ['bench/filesTouched.ts', ['--nope'], /--nope/],
  [
    'bench/growth.ts',
    ['--rows', '100000,10000'],
    /^--rows: give numbers from 10000 on, each above the one before/,
  ],
  ['bench/growth.ts', ['--only', 'sqlite'], /^--only: there is no "sqlite"; there is SQLite and PostgreSQL/],
  ['bench/costs.ts', ['--rounds', 'x'], /^--rounds takes a number of 0 or more, not "x"/],
  ['chaos/main.ts', ['--nodes', 'three'], /^--nodes takes a number of 0 or more, not "three"/],
  ['chaos/soak/main.ts', ['--faults', '10%'], /^--faults takes a number of 0 or more, not "10%"/],
])('%s %j is answered with one line that says what there is, and the usage', async (program, args, line) => {
  const { code, stderr } = await ended(program, ...args);
  expect(code).toBe(2);
  expect(stderr).toMatch(line);
  expect(stderr).not.toMatch(/^\s+at /m);
});

it.each([
  ['bench/main.ts', 'npm run bench -- '],
  ['bench/filesTouched.ts', 'npm run bench:files'],
  ['bench/costs.ts', 'npm run bench:costs -- '],
  ['chaos/main.ts', 'npm run chaos -- '],
])('%s --help prints the usage', async (program, usage) => {
  const { stdout, stderr } = await run(process.execPath, [program, '--help']);
  expect(stdout.startsWith(`Usage: ${usage}`)).toBe(true);
  expect(stderr).toBe('');
});
