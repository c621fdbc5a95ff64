import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { createProgram } from '../../../src/cli/program.ts';
import { KEY } from '../../support/gateway.ts';
import { CLI } from '../../support/processes/commandLine.ts';
import { tempFolder } from '../../support/tempFolder.ts';
import { startWorld } from './world.ts';

const PAGE = new URL('../../../../../docs/clients/cli.md', import.meta.url);

/** What the snippets of the page print, in their order. */
const PRINTED = [
  /^$/,
  /^fox\.mp4\n$/,
  /^$/,
  /^boat\.mp4\n$/,
  /^video_\w+ .* onetake-preview {2}1 s, 854x480, .*\ntask_id +video_\w+\n[\s\S]*\nposter\.jpg\n[\s\S]*onetake-preview {2}.*free\n/,
  /^$/,
];

it('every snippet of the page does what the page says, with the profile that the first one saves', async () => {
  const world = await startWorld();
  try {
    const folder = await tempFolder();
    await mkdir(join(folder, 'bin'));
    await writeFile(join(folder, 'bin/onetake'), `#!/bin/sh\nexec "${process.execPath}" "${CLI}" "$@"\n`);
    await chmod(join(folder, 'bin/onetake'), 0o755);
    const env = {
      PATH: [join(folder, 'bin'), process.env.PATH].join(delimiter),
      HOME: folder,
      ONETAKE_URL: world.gateway.address,
      KEY,
    };
    const page = await readFile(PAGE, 'utf8');
    const snippets = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);
    expect(snippets).toHaveLength(PRINTED.length);
    for (const [index, snippet] of snippets.entries()) {
      const shell = ['-e', '-o', 'pipefail', '-c', snippet];
      const { stdout } = await promisify(execFile)('bash', shell, { cwd: folder, env });
      expect(stdout, snippet).toMatch(PRINTED[index] ?? /^$/);
    }
    expect(await world.probe(folder, 'fox.mp4')).toMatchObject({ ok: true, probe: { duration: 1 } });
    expect(JSON.parse(await readFile(join(folder, 'task.json'), 'utf8'))).toMatchObject({
      status: 'succeeded',
      file: 'a-lighthouse-at-dusk.mp4',
    });
  } finally {
    await world.end();
  }
});

it('the page names every command for those who use a gateway, and every option of generate', async () => {
  const page = await readFile(PAGE, 'utf8');
  const { commands } = createProgram();
  const users = commands
    .filter((command) => command.helpGroup() === 'Use a gateway:')
    .map((one) => one.name());
  const generate = commands.find((command) => command.name() === 'generate');
  const options = (generate?.options ?? []).map(({ long }) => long ?? '');
  expect(users).toContain('generate');
  // `onetake mcp` has a page of its own.
  expect(users.filter((name) => !page.includes(`\`${name}`))).toEqual(['mcp']);
  expect(options.filter((option) => !page.includes(option))).toEqual([]);
});
