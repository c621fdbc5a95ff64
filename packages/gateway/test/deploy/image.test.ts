import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import NODE_FLAGS from '../../../../scripts/nodeFlags.json' with { type: 'json' };
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

it('copies only existing files that the build context contains', () => {
  const ignore = read('deploy/Dockerfile.dockerignore').split('\n');
  expect(ignore.filter((line) => line !== '' && !/^[#!]/.test(line))).toEqual(['*']);
  const allowed = ignore.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
  const copied = instructions('COPY')
    .filter((line) => !line.startsWith('--from'))
    .flatMap((line) => line.split(/\s+/).slice(0, -1));
  expect(copied.toSorted()).toEqual(allowed.toSorted());
  for (const path of copied) expect(existsSync(join(ROOT, path)), path).toBe(true);
});

it('contains the source of every package of ours that the gateway depends on, and of no other', () => {
  const needed = new Set<string>();
  const need = (name: string): void => {
    needed.add(name);
    const { dependencies } = z
      .object({ dependencies: z.record(z.string(), z.string()).default({}) })
      .parse(JSON.parse(read(`packages/${name}/package.json`)));
    for (const dependency of Object.keys(dependencies)) {
      if (dependency.startsWith('@onetake/')) need(dependency.slice('@onetake/'.length));
    }
  };
  need('gateway');
  const copied = instructions('COPY').flatMap((line) => /^packages\/(\w+)\/src /.exec(line)?.[1] ?? []);
  expect(copied.toSorted()).toEqual([...needed].toSorted());
});

it('starts the gateway without a shell, as a non-root user, on the default port', () => {
  expect(instructions('ENTRYPOINT')).toEqual(['["node", "packages/gateway/src/cli/main.ts"]']);
  expect(instructions('CMD').at(-1)).toBe('["serve"]');
  expect(instructions('ENV').join(' ').split(/\s+/)).toContain(`NODE_OPTIONS=${NODE_FLAGS.join(' ')}`);
  expect(Number.parseInt(instructions('USER').at(-1) ?? '0', 10)).toBeGreaterThan(0);
  expect(instructions('STOPSIGNAL')).toEqual(['SIGTERM']);
  expect(instructions('EXPOSE')).toEqual([SETTINGS.port.default]);
  expect(dockerfile).toMatch(new RegExp(`ONETAKE_PORT \\|\\| ${SETTINGS.port.default}\\}/healthz`));
});
