import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { pack } from '../../../scripts/pack/tarball.ts';
import { KEY, startTestGateway } from './support/gateway.ts';

const run = promisify(execFile);
const read = (path: string) => readFile(new URL(path, import.meta.url), 'utf8');

/** What the snippets of the page print, in their order. The first one makes the provider of all others. */
const PRINTED = [/^video\/mp4 \[\] \[\n[\s\S]*order: '17'[\s\S]*\]\n$/, /^1\n$/, /^400 duration .+\n$/];

it('every snippet of the page does what the page says, with the packages that npm installs into an empty folder', {
  timeout: 600_000,
}, async ({ skip }) => {
  const { url, probe, end } = await startTestGateway();
  onTestFinished(end);
  const folder = await mkdtemp(join(tmpdir(), 'onetake-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const { devDependencies } = JSON.parse(await read('../package.json'));
  const packages = [
    await pack('client', folder),
    await pack('ai-sdk-provider', folder),
    `ai@${devDependencies.ai}`,
  ];
  const install = ['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', ...packages];
  await run('npm', install, { cwd: folder }).catch((error: Error) => {
    if (process.env.CI === 'true') throw error;
    skip(`needs a registry: ${error.message}`);
  });

  const page = await read('../../../docs/clients/ai-sdk.md');
  const [provider = '', ...snippets] = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(
    ([, text]) => text,
  );
  expect(snippets).toHaveLength(PRINTED.length);
  for (const [index, snippet] of snippets.entries()) {
    const file = join(folder, `${index}.mts`);
    await writeFile(file, `${provider}\n${snippet}`);
    const env = { PATH: process.env.PATH, ONETAKE_URL: url, ONETAKE_API_KEY: KEY, NO_COLOR: '1' };
    const { stdout } = await run(process.execPath, [file], { cwd: folder, env });
    expect(stdout).toMatch(PRINTED[index] ?? /^$/);
  }
  expect(await probe(await readFile(join(folder, 'boat.mp4')))).toMatchObject({
    ok: true,
    probe: { duration: 1 },
  });
});
