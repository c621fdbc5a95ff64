import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished, type TestContext } from 'vitest';
import { mountSmallDisk } from '../system/smallDisk.ts';

const PRELOAD = new URL('../system/preload.ts', import.meta.url).href;

it('sets the wall clock of a process, and affects neither its timers nor explicit dates', async () => {
  const hour = 3_600_000;
  // A message of the parent arrives as an event of the process.
  const program = `
    const [wall, steady] = [Date.now(), performance.now()];
    process.emit('message', { clockAheadMs: ${hour} });
    const shown = [Date.now(), new Date().getTime(), Date.parse(Date() )];
    console.log(JSON.stringify({
      ahead: shown.map((at) => Math.round((at - wall) / 1000)),
      passed: performance.now() - steady < 1000,
      given: new Date(7).getTime(),
      kind: new Date() instanceof Date,
    }))`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', PRELOAD, '-e', program]);
  const told = JSON.parse(stdout);
  expect(told).toMatchObject({ passed: true, given: 7, kind: true });
  for (const ahead of told.ahead) expect(ahead).toBeGreaterThanOrEqual(hour / 1000 - 1);
  for (const ahead of told.ahead) expect(ahead).toBeLessThanOrEqual(hour / 1000 + 1);
});

it('fills a small disk to its last byte, and releases it', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const disk = await mounted(join(folder, 'disk'), context);
  onTestFinished(() => disk.unmount());
  await writeFile(join(disk.path, 'small'), 'x');
  await disk.fill();
  await expect(writeFile(join(disk.path, 'another'), 'x')).rejects.toThrow('ENOSPC');
  await disk.drain();
  await writeFile(join(disk.path, 'another'), Buffer.alloc(2 ** 20));
  expect((await stat(join(disk.path, 'another'))).size).toBe(2 ** 20);
});

async function mounted(path: string, context: TestContext) {
  try {
    return await mountSmallDisk(path, 2);
  } catch (error) {
    return context.skip(`no disk can be mounted here: ${error}`);
  }
}
