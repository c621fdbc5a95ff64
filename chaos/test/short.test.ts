import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

const CHAOS = fileURLToPath(new URL('../main.ts', import.meta.url));
/** Four minutes usually; a slow machine may take as long as the run itself has patience. Milliseconds. */
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
  // Known fault: after an adoption a search may end as `submission_unknown` where the upstream's list could tell. Such a task fails with
  // a clear error and is never paid for twice, so this alone is let pass until it is mended; any other loss is not.
  const lost = [...output.matchAll(/^lost {2,}[\s\S]*?: should have succeeded \(failed ([a-z_]+)\)$/gm)];
  expect(lost.map(([, reason]) => reason).filter((reason) => reason !== 'submission_unknown')).toEqual([]);
  const last = output
    .trimEnd()
    .split('\n')
    .findLast((line) => /^lost \d+, /.test(line));
  expect(last).toBe(`lost ${lost.length}, twice 0, drift 0, unreadable 0, backwards 0`);
  if (lost.length === 0) expect(run.exitCode).toBe(0);
});
