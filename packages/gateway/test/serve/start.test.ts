import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import os, { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it, onTestFinished, vi } from 'vitest';
import { keepCompiledCode, pruneCompiledCode } from '../../src/cli/compileCache.ts';
import { serveProcess } from '../support/processes/process.ts';

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-start-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const RECORDER = pathToFileURL(join(import.meta.dirname, 'recordModules.ts'));

/** The packages that a gateway with these settings has loaded when it listens, and the folders that it has left in its home. */
async function loadedBy(settings: Record<string, string>): Promise<readonly string[]> {
  const folder = await newFolder();
  const record = join(folder, 'modules.json');
  const gateway = await serveProcess({
    HOME: folder,
    ONETAKE_DATA_DIR: join(folder, 'data'),
    NODE_OPTIONS: `--import=${RECORDER}`,
    RECORD_MODULES: record,
    ...settings,
  });
  expect(await gateway.stop()).toBe(0);
  const urls: readonly string[] = JSON.parse(await readFile(record, 'utf8'));
  const names = urls.flatMap((url) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []);
  return [...new Set(names)];
}

const HEAVY = [
  '@aws-sdk/client-s3',
  '@modelcontextprotocol/server',
  '@scalar/fastify-api-reference',
  'google-auth-library',
  'openai',
  'pg',
];

it('loads no SDK of what is not configured', async () => {
  const loaded = await loadedBy({});
  expect(loaded).toContain('fastify');
  expect(loaded.filter((name) => HEAVY.includes(name))).toEqual([]);
});

it('loads at the start what is configured, so that a paid call cannot be the first to find it broken', async () => {
  const loaded = await loadedBy({
    OPENAI_API_KEY: 'sk-openai',
    GOOGLE_GENAI_USE_VERTEXAI: 'true',
    GOOGLE_CLOUD_PROJECT: 'project',
    ONETAKE_S3_BUCKET: 'bucket',
    ONETAKE_S3_REGION: 'eu-central-1',
    ONETAKE_S3_ENDPOINT: 'http://127.0.0.1:9',
    ONETAKE_S3_ACCESS_KEY_ID: 'id',
    ONETAKE_S3_SECRET_ACCESS_KEY: 'secret',
  });
  expect(loaded).toEqual(expect.arrayContaining(['@aws-sdk/client-s3', 'google-auth-library', 'openai']));
});

it('has kept what it compiled once it listens, for a start after a kill', async () => {
  const folder = await newFolder();
  const gateway = await serveProcess({ HOME: folder, ONETAKE_DATA_DIR: join(folder, 'data') });
  await gateway.stop('SIGKILL');
  const kept = await readdir(join(folder, '.cache/onetake'), { recursive: true });
  expect(kept.length).toBeGreaterThan(100);
});

it('keeps it where NODE_COMPILE_CACHE says, and nothing with NODE_DISABLE_COMPILE_CACHE', async () => {
  const folder = await newFolder();
  const settings = { HOME: folder, ONETAKE_DATA_DIR: join(folder, 'data') };
  const elsewhere = await serveProcess({ ...settings, NODE_COMPILE_CACHE: join(folder, 'elsewhere') });
  await elsewhere.stop();
  const nowhere = await serveProcess({ ...settings, NODE_DISABLE_COMPILE_CACHE: '1' });
  await nowhere.stop();
  expect((await readdir(folder)).sort()).toEqual(['data', 'elsewhere']);
});

const DAY_MS = 24 * 3_600_000;

/** A cache with code that was compiled so many days ago, by this version of Node and by another one. */
async function cacheOfAges(now: number): Promise<string> {
  const home = await newFolder();
  for (const [name, days] of Object.entries({ 'this/new': 29, 'this/old': 31, 'other/old': 31 })) {
    const path = join(home, 'onetake', name);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, 'code');
    await utimes(path, new Date(now), new Date(now - days * DAY_MS));
  }
  await utimes(join(home, 'onetake/other'), new Date(now), new Date(now - 31 * DAY_MS));
  return home;
}

it('removes what was compiled more than thirty days ago', async () => {
  const now = Date.now();
  const home = await cacheOfAges(now);
  const env = { XDG_CACHE_HOME: home, NODE_COMPILE_CACHE: join(home, 'onetake') };
  await pruneCompiledCode(env, now);
  const kept = (await readdir(home, { recursive: true })).sort();
  expect(kept.slice(0, 3)).toEqual(['onetake', 'onetake/other', 'onetake/this']);
  expect(kept.slice(3)).toEqual(['onetake/this/new']);
  // The folder has changed when its last file went.
  await pruneCompiledCode(env, Date.now() + 29 * DAY_MS);
  expect((await readdir(home, { recursive: true })).sort()).toEqual([
    'onetake',
    'onetake/other',
    'onetake/this',
  ]);
  await pruneCompiledCode(env, Date.now() + 31 * DAY_MS);
  expect(await readdir(home, { recursive: true })).toEqual(['onetake']);
});

it('removes nothing from a folder that others may use, and goes on without one', async () => {
  const now = Date.now();
  const home = await cacheOfAges(now);
  const before = await readdir(home, { recursive: true });
  await pruneCompiledCode(
    { XDG_CACHE_HOME: join(home, 'mine'), NODE_COMPILE_CACHE: join(home, 'onetake') },
    now,
  );
  expect(await readdir(home, { recursive: true })).toEqual(before);
  const missing = join(home, 'missing');
  await pruneCompiledCode({ XDG_CACHE_HOME: missing, NODE_COMPILE_CACHE: join(missing, 'onetake') }, now);
  expect(await readdir(home, { recursive: true })).toEqual(before);
});

it('starts where nothing can be kept', async () => {
  const folder = await newFolder();
  const gateway = await serveProcess({ HOME: '/dev/null', ONETAKE_DATA_DIR: join(folder, 'data') });
  expect((await fetch(`${gateway.base}/healthz`)).status).toBe(200);
  expect(await gateway.stop()).toBe(0);
});

it('starts for a user without a home folder', () => {
  const env: NodeJS.ProcessEnv = {};
  const noHome = vi.spyOn(os, 'homedir').mockImplementation(() => {
    throw new Error('uv_os_homedir returned ENOENT');
  });
  syncBuiltinESMExports();
  onTestFinished(() => {
    noHome.mockRestore();
    syncBuiltinESMExports();
  });
  keepCompiledCode(env);
  expect(env).toEqual({});
});
