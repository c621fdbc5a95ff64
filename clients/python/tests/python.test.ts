import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, onTestFinished, type TestContext } from 'vitest';
import { KEY, startTestGateway } from '../../../packages/client/test/support/gateway.ts';
import { startReference } from '../../../packages/client/test/support/reference.ts';
import { startVideoServer } from '../../../packages/client/test/support/videoServer.ts';
import { pythonWith } from '../../../scripts/packages.ts';
import { startControl } from './support/control.ts';

const execute = promisify(execFile);
const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const PAGE = fileURLToPath(new URL('../../../docs/clients/python.md', import.meta.url));

let python: string | Error;
let folder: string;

/** Skips without Python, except in CI, where that would go unnoticed. */
function available(skip: TestContext['skip']): string {
  if (typeof python === 'string') return python;
  if (process.env.CI === 'true') throw python;
  return skip(`needs python3 with venv, and its package index: ${python.message}`);
}

/** Nothing of ours is passed on: no keys, no proxy and no settings of this machine's user. */
const environment = () => ({ PATH: process.env.PATH, HOME: folder, PYTHONUTF8: '1' });

/** Runs a tool in the folder of the package, and rejects with what it says if it fails. */
async function run(skip: TestContext['skip'], ...args: string[]): Promise<string> {
  const options = { cwd: PACKAGE, env: environment(), maxBuffer: 2 ** 26 };
  const { stdout } = await execute(available(skip), args, options).catch((error) => {
    throw new Error(`${args.join(' ')} failed\n${error.stdout}\n${error.stderr}`);
  });
  return stdout;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onetake-'));
  python = await pythonWith(join(PACKAGE, 'tests/requirements.txt')).catch((error: Error) => error);
  return () => rm(folder, { recursive: true, force: true });
}, 600_000);

describe('the sources', () => {
  it('are linted and formatted', async ({ skip }) => {
    await run(skip, '-m', 'ruff', 'check', '--no-cache');
    await run(skip, '-m', 'ruff', 'format', '--no-cache', '--check');
  });

  it('have right types, strictly', { timeout: 300_000 }, async ({ skip }) => {
    await run(skip, '-m', 'mypy', '--cache-dir', join(folder, 'mypy'), 'src', 'tests');
  });

  it('need no newer Python than 3.9', async ({ skip }) => {
    const vermin = ['-c', 'import vermin; vermin.main()'];
    await run(skip, ...vermin, '--no-tips', '--no-config-file', '-t=3.9-', 'src');
  });
});

it('the package that would be published does what it should, with a gateway and with a server of the reference page', {
  timeout: 1_200_000,
}, async ({ skip }) => {
  const interpreter = available(skip);
  await run(skip, '-m', 'hatchling', 'build', '-d', folder);
  const built = await readdir(folder);
  const wheel = join(folder, built.find((file) => file.endsWith('.whl')) ?? '');
  const source = join(folder, built.find((file) => file.endsWith('.tar.gz')) ?? '');
  expect(await run(skip, '-m', 'zipfile', '-l', wheel)).toMatch(/onetake\/py\.typed[\s\S]*licenses\/LICENSE/);
  expect(await run(skip, '-m', 'tarfile', '-l', source)).not.toContain('/tests/');
  await run(skip, '-m', 'pip', 'install', '--quiet', '--no-index', '--no-deps', '--force-reinstall', wheel);

  // The tests stop it and send webhooks to themselves.
  const gateway = await startTestGateway({ ONETAKE_ALLOW_PRIVATE_HOSTS: '127.0.0.1' });
  onTestFinished(gateway.end);
  const reference = await startReference();
  const video = await startVideoServer();
  const control = await startControl({ gateway, reference, video });
  onTestFinished(control.close);

  const tests = spawn(interpreter, ['-m', 'pytest', '-q', '--color=no'], {
    cwd: PACKAGE,
    env: {
      ...environment(),
      ONETAKE_URL: gateway.proxy.url,
      ONETAKE_API_KEY: KEY,
      CONTROL_URL: control.url,
      REFERENCE_URL: reference.url,
      VIDEO_URL: video.url,
      PAGE,
    },
  });
  onTestFinished(() => void tests.kill('SIGKILL'));
  const [out, errors, [code]] = await Promise.all([
    text(tests.stdout),
    text(tests.stderr),
    once(tests, 'close'),
  ]);
  if (code !== 0) throw new Error(`pytest ended with ${code}\n${out}\n${errors}`);
  expect(out).toMatch(/\d+ passed/);
  expect(out).not.toMatch(/skipped|failed/);
});
