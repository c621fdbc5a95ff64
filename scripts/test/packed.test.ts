import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openAsBlob } from 'node:fs';
import { lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createLog, createNativePool, probeVideo } from '@onetake/gateway';
import { expect, it, onTestFinished } from 'vitest';
import { installPacked, STRANGERS_PATH } from '../pack/install.ts';
import { addressIn } from './addressIn.ts';

const run = promisify(execFile);

/** Megabytes of disk that an installed gateway may take. docs/operations.md says what takes them. */
const MOST_MEGABYTES = 240;

/** A program that uses the client. */
const PROGRAM = `
import { Onetake } from '@onetake/client';
import { downloadToFile } from '@onetake/client/node';
const onetake = new Onetake({ baseUrl: process.argv[2], apiKey: process.argv[3] });
const task = await onetake.generate({ model: 'onetake-preview', prompt: 'a lighthouse', duration: 1, resolution: '480p' });
await downloadToFile(onetake, task.task_id, 'lighthouse.mp4');
`;

it('the gateway that npm installs into an empty folder makes videos there, for a client installed beside it', {
  timeout: 600_000,
}, async ({ skip }) => {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const env = { PATH: STRANGERS_PATH, HOME: process.env.HOME, NO_COLOR: '1' };
  await installPacked(folder, ['gateway', 'client']).catch((error: Error) => {
    if (process.env.CI === 'true') throw error;
    skip(`needs a registry: ${error.message}`);
  });
  const packed = await readdir(join(folder, 'node_modules/@onetake/gateway'), { recursive: true });
  expect(packed.filter((file) => /^(?:src|test)\/|\.ts$/.test(file))).toEqual([]);
  const licences = packed.find((file) => file.endsWith('LICENCES.txt')) ?? '';
  const texts = await readFile(join(folder, 'node_modules/@onetake/gateway', licences), 'utf8');
  expect(texts).toMatch(/^fastify \d\S* \(MIT, .*\n\nMIT License\n/m);
  expect(await megabytes(join(folder, 'node_modules'))).toBeLessThanOrEqual(MOST_MEGABYTES);

  const command = join(folder, 'node_modules/.bin/onetake');
  const options = ['--duration', '1', '--resolution', '480p'];
  const demo = await run(command, ['demo', 'a paper boat', ...options], { cwd: folder, env });
  expect(demo.stdout).toMatch(/1 s, 8\d\dx480, h264/);

  const key = `sk-${'k'.repeat(24)}`;
  const settings = { ...env, ONETAKE_PORT: '0', ONETAKE_BOOTSTRAP_KEY: key };
  const serving = spawn(command, ['serve'], {
    cwd: folder,
    env: settings,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(() => void serving.kill('SIGKILL'));
  const url = await addressIn(serving.stderr);
  await writeFile(join(folder, 'program.mjs'), PROGRAM);
  await run(process.execPath, ['program.mjs', url, key], { cwd: folder, env });
  const generate = ['generate', 'a storm', '-m', 'onetake-preview', '-d', '1', '--resolution', '480p'];
  const remote = { ...env, ONETAKE_URL: url, ONETAKE_API_KEY: key };
  const made = await run(command, [...generate, '-o', 'storm.mp4'], { cwd: folder, env: remote });
  expect(made.stdout).toBe('storm.mp4\n');
  const form = new FormData();
  form.set('file', await openAsBlob(join(folder, 'storm.mp4')), 'storm.mp4');
  const headers = { authorization: `Bearer ${key}` };
  const uploaded = await fetch(`${url}/v1/files`, { method: 'POST', body: form, headers });
  expect([uploaded.status, await uploaded.json()]).toMatchObject([200, { filename: 'storm.mp4' }]);
  serving.kill('SIGTERM');
  expect(await once(serving, 'exit')).toEqual([0, null]);

  const native = createNativePool({ concurrency: 1, log: createLog('silent') });
  onTestFinished(() => native.close());
  for (const name of ['a-paper-boat.mp4', 'lighthouse.mp4', 'storm.mp4'])
    expect(await probeVideo(native, join(folder, name))).toMatchObject({ ok: true, probe: { duration: 1 } });
});

/** What files and folders take of a disk: `du -sm`. */
async function megabytes(folder: string): Promise<number> {
  const paths = await readdir(folder, { recursive: true });
  const stats = await Promise.all(paths.map((path) => lstat(join(folder, path))));
  return Math.ceil(stats.reduce((sum, { blocks }) => sum + blocks * 512, 0) / 1024 ** 2);
}
