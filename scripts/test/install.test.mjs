import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { link, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { explain, fingerprintOf, installedByHand, missingPackages, writeStamp } from '../install.mjs';

const pinned = '24.0.0';
let root;

beforeEach(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'onetake-'));
});

afterEach(() => rm(root, { recursive: true }));

const write = async (file, content) => {
  await mkdir(path.dirname(path.join(root, file)), { recursive: true });
  await writeFile(path.join(root, file), typeof content === 'string' ? content : JSON.stringify(content));
};

/** A checkout in which `npm install` has just been run. */
async function checkout() {
  const packages = {
    'node_modules/node': { version: pinned },
    'node_modules/a': { version: '1.0.0' },
  };
  const manifest = { name: 'x', devDependencies: { node: pinned }, dependencies: { a: '1.0.0' } };
  const elsewhere = { 'node_modules/a-other-os': { version: '1.0.0', optional: true } };
  await write('package.json', { ...manifest, scripts: { test: 'one' } });
  await write('package-lock.json', { packages: { '': manifest, ...packages, ...elsewhere } });
  await write('node_modules/.package-lock.json', { packages });
  for (const folder of Object.keys(packages)) await write(`${folder}/package.json`, packages[folder]);
  const node = process.platform === 'win32' ? 'node.exe' : 'node';
  await mkdir(path.join(root, 'node_modules/node/bin'), { recursive: true });
  await symlink(process.execPath, path.join(root, 'node_modules/node/bin', node));
}

describe('whether to install', () => {
  beforeEach(checkout);

  test('an install by hand is taken as it is', () => {
    expect(installedByHand(root)).toBe(true);
  });

  test('a package of another version asks for an install', async () => {
    await write('node_modules/.package-lock.json', {
      packages: { 'node_modules/node': { version: pinned }, 'node_modules/a': { version: '1.0.1' } },
    });
    expect(installedByHand(root)).toBe(false);
  });

  test('a missing package asks for an install', async () => {
    await write('node_modules/.package-lock.json', {
      packages: { 'node_modules/node': { version: pinned } },
    });
    expect(installedByHand(root)).toBe(false);
  });

  test('a Node that does not run here asks for an install', async () => {
    await rm(path.join(root, 'node_modules/node/bin'), { recursive: true });
    expect(installedByHand(root)).toBe(false);
  });

  test('a dependency that the lock file does not know yet asks for an install', async () => {
    await write('package.json', {
      devDependencies: { node: pinned },
      dependencies: { a: '1.0.0', b: '1.0.0' },
    });
    expect(installedByHand(root)).toBe(false);
  });

  test('the stamp of a checkout that shares its files by hard links stays as it is', async () => {
    const [mine, theirs] = ['stamp.json', 'theirs.json'].map((name) => path.join(root, name));
    writeStamp(mine, { fingerprint: 'old' });
    await link(mine, theirs);
    writeStamp(mine, { fingerprint: 'new' });
    expect(JSON.parse(await readFile(mine, 'utf8'))).toEqual({ fingerprint: 'new' });
    expect(JSON.parse(await readFile(theirs, 'utf8'))).toEqual({ fingerprint: 'old' });
    expect((await readdir(root)).filter((name) => name.startsWith('stamp'))).toEqual(['stamp.json']);
  });

  test('the fingerprint changes with dependencies, not with scripts', async () => {
    const before = fingerprintOf(root);
    const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
    await write('package.json', { ...manifest, scripts: { test: 'another' } });
    expect(fingerprintOf(root)).toBe(before);
    await write('package.json', { ...manifest, dependencies: { a: '1.0.1' } });
    expect(fingerprintOf(root)).not.toBe(before);
  });
});

describe('a failed install', () => {
  test.each([
    ['npm error code ENOTFOUND\nnpm error errno ENOTFOUND', 'npm config get registry'],
    ['npm error code E503', 'npm config get registry'],
    ['npm error code ENOSPC', 'disk is full'],
    ['npm error code EUSAGE', 'package-lock.json does not match'],
    ['npm ERR! code EBADPLATFORM', 'no build for this platform'],
  ])('%j says what to do', (errors, hint) => {
    expect(explain(['ci'], errors)).toContain(hint);
  });

  test('words that only look like a code give no advice', () => {
    expect(explain(['ci'], 'npm error integrity sha512-E500ENOSPC')).not.toMatch(
      /registry did not answer|disk is full/,
    );
  });
});

test('what npm has left out is told: binaries for this platform, and our own optional packages', async () => {
  await write('package-lock.json', {
    packages: {
      'packages/gateway': { optionalDependencies: { bridge: '1.0.0', there: '1.0.0' } },
      'node_modules/bridge': { optional: true },
      'node_modules/there': { optional: true },
      'node_modules/linux-glibc': { os: ['linux'], cpu: ['x64'], libc: ['glibc'], optional: true },
      'node_modules/linux-musl': { os: ['linux'], cpu: ['x64'], libc: ['musl'], optional: true },
      'node_modules/linux-there': { os: ['linux'], cpu: ['x64'], optional: true },
      'node_modules/mac': { os: ['darwin'], cpu: ['arm64'], optional: true },
      'node_modules/anywhere': { optional: true },
    },
  });
  await write('node_modules/linux-there/package.json', {});
  await write('node_modules/there/package.json', {});
  const missing = missingPackages(root, { os: 'linux', cpu: 'x64', libc: 'glibc' });
  expect(missing).toEqual(['node_modules/bridge', 'node_modules/linux-glibc']);
});

describe('the lock', () => {
  const holder = (name) => `
    import { withLock } from ${JSON.stringify(new URL('../lock.mjs', import.meta.url).href)};
    import { appendFileSync } from 'node:fs';
    const log = (word) => appendFileSync('log', word + ' ${name}\\n');
    await withLock('lock', async () => {
      log('in');
      await new Promise((resolve) => setTimeout(resolve, 50));
      log('out');
    }, () => {});`;
  const start = (name) =>
    spawn(process.execPath, ['--input-type=module', '-e', holder(name)], { cwd: root, stdio: 'inherit' });

  test('is held by one process at a time', async () => {
    const codes = await Promise.all(['a', 'b', 'c'].map((name) => once(start(name), 'close')));
    expect(codes.map(([code]) => code)).toEqual([0, 0, 0]);
    const words = (await readFile(path.join(root, 'log'), 'utf8')).trim().split('\n');
    expect(words).toHaveLength(6);
    for (let i = 0; i < 6; i += 2) expect(words[i + 1]).toBe(words[i].replace('in', 'out'));
  });

  test('of a process that died is taken over', async () => {
    const dead = spawn(process.execPath, ['-e', '']);
    await once(dead, 'close');
    await write('lock/owner.json', { pid: dead.pid, id: 'dead' });
    const [code] = await once(start('a'), 'close');
    expect(code).toBe(0);
  });
});
