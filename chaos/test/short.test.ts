import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

const CHAOS = fileURLToPath(new URL('../main.ts', import.meta.url));
/** Usually four minutes; a slow machine may take as long as the patience of the run itself. Milliseconds. */
const TIMEOUT_MS = 1_200_000;

it('loses, doubles and forgets nothing while everything fails', { timeout: TIMEOUT_MS }, async () => {
  const seed = process.env.ONETAKE_CHAOS_SEED ?? 'chaos';
  const run = spawn(process.execPath, [CHAOS, '--short', '--seed', seed], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    if (run.exitCode !== null) return;
    // It ends everything that it started.
    run.kill('SIGTERM');
    await once(run, 'exit');
  });
  let output = '';
  run.stdout.on('data', (piece: Buffer) => {
    output += piece;
    process.stdout.write(piece);
  });
  await once(run, 'close');
  const last = output
    .trimEnd()
    .split('\n')
    .findLast((line) => /^lost \d+, /.test(line));
  expect(last).toBe('lost 0, twice 0, drift 0, unreadable 0, backwards 0');
  expect(run.exitCode).toBe(0);
});
