import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { KEY, startTestGateway } from './support/gateway.ts';

const run = promisify(execFile);
const PAGE = new URL('../../../docs/clients/typescript.md', import.meta.url);

/** What the snippets of the page print, in their order. The first one makes the client of all others. */
const PRINTED = [
  /^queued 0%\n[\s\S]*succeeded 100%\nhttp:\/\/\S+\n$/,
  /^succeeded 1\n$/,
  /^\d+ [0-9a-f]{64}\n$/,
  /^true\n$/,
  /^400\n$/,
  /^not accepted: duration .+\n$/,
  /^(video_\w+ \d+\n){3}\{ order: '17' \}\n\[ [\s\S]*'onetake-preview'[\s\S]*\]\n$/,
];

// Renders several videos, one after the other.
it('every snippet of the page does what the page says', { timeout: 600_000 }, async () => {
  const { proxy, end } = await startTestGateway();
  onTestFinished(end);
  const folder = await mkdtemp(join(tmpdir(), 'onetake-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'node_modules/@onetake'), { recursive: true });
  await symlink(fileURLToPath(new URL('..', import.meta.url)), join(folder, 'node_modules/@onetake/client'));

  const page = await readFile(PAGE, 'utf8');
  const [client = '', ...snippets] = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, text]) => text);
  expect(snippets).toHaveLength(PRINTED.length);
  for (const [index, snippet] of snippets.entries()) {
    const file = join(folder, `${index}.mts`);
    await writeFile(file, `${client}\n${snippet}`);
    const env = { PATH: process.env.PATH, ONETAKE_URL: proxy.url, ONETAKE_API_KEY: KEY, NO_COLOR: '1' };
    const { stdout } = await run(process.execPath, [file], { cwd: folder, env });
    expect(stdout).toMatch(PRINTED[index] ?? /^$/);
  }
});
