import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { CLIENTS } from '../published/clients.ts';
import { installPublished } from '../published/install.ts';

const MAIN = fileURLToPath(new URL('../published/main.ts', import.meta.url));
/** Its rounds: the gateway is killed while all wait, five of the six faults of a client, the gateway is stopped while all download. */
const SEED = 'short-160';
/** Usually two minutes, and as much again to install everything. Milliseconds. */
const TIMEOUT_MS = 1_800_000;

it('every packed client ends with a whole, playable video and one task, also while it, the network or the gateway fails', {
  timeout: TIMEOUT_MS,
}, async ({ skip }) => {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const installed = await installPublished(folder).catch((error: Error) => {
    if (process.env.CI === 'true') throw error;
    skip(`needs a registry: ${error.message}`);
  });
  const args = [MAIN, '--rounds', '3', '--seed', SEED, '--folder', folder];
  const run = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
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
  const clients = CLIENTS.filter(({ needsPython }) => !needsPython || installed?.noPython === undefined);
  const calm = new RegExp(`^nothing${' +1'.repeat(clients.length)}$`, 'm');
  expect(output).toMatch(calm);
  expect(output.trimEnd().split('\n').at(-1)).toBe(`${4 * clients.length} videos, 0 wrong`);
  expect(run.exitCode).toBe(0);
});

it('the programs for the openai packages are those of the documentation', async () => {
  const page = await readFile(new URL('../../docs/openai-api.md', import.meta.url), 'utf8');
  for (const [name, language] of [
    ['openai.mjs', 'js'],
    ['openai_videos.py', 'python'],
  ]) {
    const program = await readFile(new URL(`../published/programs/${name}`, import.meta.url), 'utf8');
    const block = new RegExp(`## When the network breaks.*?\`\`\`${language}\n(.*?)\`\`\``, 's');
    const [, shown = ''] = block.exec(page) ?? [];
    // What a program reads from its environment is written out on the page.
    const written = /^(?:import|from|let video)|boat|http|^$/;
    const lines = shown.split('\n').filter((line) => !written.test(line));
    expect(lines).not.toEqual([]);
    for (const line of lines) expect(program).toContain(line.trim());
  }
});
