import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { serveProcess } from '../support/processes/process.ts';
import { tempFolder } from '../support/tempFolder.ts';

/** A fleet with members of these names. Their servers need not exist. */
const fleetOf = (...names: string[]): string => `
accounts:
  gpus:
    provider: openai
    models: [sora-2]
    members:
${names.map((name) => `      ${name}: { base_url: 'http://127.0.0.1:9/${name}' }`).join('\n')}
`;

it('a gateway takes over members when its settings file is changed, and goes on if that is not valid', async () => {
  const dir = await tempFolder();
  const path = join(dir, 'settings.yaml');
  await writeFile(path, fleetOf('a'));
  const lines: string[] = [];
  const served = await serveProcess(
    { ONETAKE_CONFIG: path, ONETAKE_DATA_DIR: join(dir, 'data'), ONETAKE_PREVIEW_CONCURRENCY: '0' },
    (child) => child.stdout?.on('data', (chunk: Buffer) => lines.push(chunk.toString())),
  );
  onTestFinished(async () => void (await served.stop('SIGKILL')));
  const members = async () => {
    const metrics = await (await fetch(`${served.base}/metrics`)).text();
    return [...metrics.matchAll(/^onetake_account_places\{account="gpus\.(\w+)"\}/gm)].map(
      ([, name]) => name,
    );
  };
  expect(await members()).toEqual(['a']);
  await writeFile(path, fleetOf('a', 'b'));
  await eventually(async () => expect(await members()).toEqual(['a', 'b']));
  await writeFile(path, fleetOf());
  await eventually(() => expect(lines.join('')).toContain('config.reload_failed'));
  expect(await members()).toEqual(['a', 'b']);
  await writeFile(path, fleetOf('b', 'c'));
  await eventually(async () => expect(await members()).toEqual(['b', 'c']));

  // As some editors save, and as a mount that is gone for a moment.
  await rm(path);
  await eventually(() => expect(lines.join('')).toMatch(/config\.reload_failed.*does not exist/));
  expect(await members()).toEqual(['b', 'c']);
  await writeFile(path, 'accounts: {}\n');
  await eventually(() => expect(lines.join('')).toMatch(/config\.needs_restart.*accounts\.gpus/));
  expect(await members()).toEqual(['b', 'c']);
  await writeFile(path, fleetOf('c'));
  await eventually(async () => expect(await members()).toEqual(['c']));
  expect(await served.stop()).toBe(0);
}, 60_000);

it('a gateway that was started without a settings file takes none that is missing for an empty one', async () => {
  const dir = await tempFolder();
  const path = join(dir, 'onetake.yaml');
  const lines: string[] = [];
  const served = await serveProcess(
    { ONETAKE_DATA_DIR: join(dir, 'data'), ONETAKE_PREVIEW_CONCURRENCY: '0' },
    (child) => child.stdout?.on('data', (chunk: Buffer) => lines.push(chunk.toString())),
    dir,
  );
  onTestFinished(async () => void (await served.stop('SIGKILL')));
  await eventually(async () => {
    // Again and again, because nothing tells when the gateway has looked for the first time.
    await writeFile(path, 'link_ttl_hours: 3\n');
    expect(lines.join('')).toMatch(/config\.needs_restart.*link_ttl_hours/);
  });
  expect(lines.join('')).not.toContain('config.reload_failed');
  await rm(path);
  await eventually(() => expect(lines.join('')).toMatch(/config\.reload_failed.*does not exist/));
  expect(await served.stop()).toBe(0);
}, 60_000);
