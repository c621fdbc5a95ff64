import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createLog, createNativePool, probeVideo } from '@onetake/gateway';
import { expect, it, onTestFinished } from 'vitest';
import { pack } from '../../../scripts/pack/tarball.ts';
import { KEY, startTestGateway } from './support/gateway.ts';

const run = promisify(execFile);
const PAGE = new URL('../../../docs/clients/typescript.md', import.meta.url);

/** What the snippets of the page print, in their order. The first one makes the client of all others. */
const PRINTED = [
  /^queued 0%\n[\s\S]*succeeded 100%\nhttp:\/\/\S+\n$/,
  /^0 USD true\nsucceeded 1\n$/,
  /^\d+ [0-9a-f]{64}\n$/,
  /^true\n$/,
  /^400\n$/,
  /^video\.succeeded video_\w+\n$/,
  /^not accepted: duration .+\n$/,
  /^(video_\w+ \d+\n){4}\{ order: '17' \}\n\[ [\s\S]*'onetake-preview'[\s\S]*\]\n$/,
];

// Renders several videos, one after the other.
it('every snippet of the page does what the page says, with the package that npm installs into an empty folder', {
  timeout: 600_000,
}, async () => {
  const { proxy, end } = await startTestGateway();
  onTestFinished(end);
  const folder = await mkdtemp(join(tmpdir(), 'onetake-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  // It has no dependencies, so it needs no registry.
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', await pack('client', folder)], {
    cwd: folder,
  });
  const files = await readdir(join(folder, 'node_modules/@onetake/client'), { recursive: true });
  expect(files.filter((file) => !/^dist(?:\/\w+(?:\.d)?\.[jt]s)?$/.test(file)).sort()).toEqual([
    'LICENSE',
    'README.md',
    'package.json',
  ]);
  expect(files).toContain('dist/index.d.ts');
  expect(files.filter((file) => /(?<!\.d)\.ts$/.test(file))).toEqual([]);

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

  const native = createNativePool({ concurrency: 1, log: createLog('silent') });
  onTestFinished(() => native.close());
  expect(await probeVideo(native, join(folder, 'lighthouse.mp4'))).toMatchObject({
    ok: true,
    probe: { duration: 1 },
  });
});
