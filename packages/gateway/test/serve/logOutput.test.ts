import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../../../scripts/servers/freePort.ts';
import { eventually } from '../support/eventually.ts';
import type { Json } from '../support/gateway.ts';
import { tempFolder } from '../support/tempFolder.ts';

const CLI = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const KEY = 'sk-log-0123456789abcdefgh';

interface Serving {
  readonly child: ChildProcess;
  json(path: string): Promise<Json>;
  /** Makes the gateway log approximately `bytes` bytes. */
  log(bytes: number): Promise<void>;
  metric(): Promise<number>;
}

/** `onetake serve` with this standard output, started by `start`; resolves once it responds. */
async function serve(
  start: (env: NodeJS.ProcessEnv, args: readonly string[]) => ChildProcess,
  settings: Readonly<Record<string, string>> = {},
): Promise<Serving> {
  const dataDir = await tempFolder();
  const child = start(
    {
      PATH: process.env.PATH,
      ONETAKE_DATA_DIR: dataDir,
      ONETAKE_PORT: '0',
      ONETAKE_BOOTSTRAP_KEY: KEY,
      ONETAKE_LOG_LEVEL: 'debug',
      ...settings,
    },
    [process.execPath, CLI, 'serve'],
  );
  onTestFinished(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const base = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      text += chunk;
      const found = /listening on (\S+)/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', (code) => reject(new Error(`exited with ${code}: ${text}`)));
  });
  const get = (path: string) => fetch(base + path, { headers: { authorization: `Bearer ${KEY}` } });
  return {
    child,
    json: async (path) => (await get(path)).json(),
    async log(bytes) {
      const url = `/v1/${'x'.repeat(4000)}`;
      for (let sent = 0; sent < bytes; sent += 4000) await (await get(url)).arrayBuffer();
    },
    async metric() {
      const text = await (await get('/metrics')).text();
      return Number(/^onetake_log_lines_dropped_total (\d+)$/m.exec(text)?.[1]);
    },
  };
}

/** With a shell's `redirection`. */
const redirected = (redirection: string) =>
  serve((env, args) =>
    spawn('/bin/sh', ['-c', `exec "$@" ${redirection}`, 'sh', ...args], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    }),
  );

const withStdout = (stdout: 'pipe' | number) =>
  serve((env, [command = '', ...args]) => spawn(command, args, { env, stdio: ['ignore', stdout, 'pipe'] }));

async function expectServing({ json }: Serving): Promise<void> {
  expect(await json('/healthz')).toEqual({ status: 'ok' });
  expect((await json('/v1/models')).data.length).toBeGreaterThan(0);
  expect((await json('/readyz')).status).toBe('ready');
}

async function expectStops({ child }: Serving): Promise<void> {
  const exited = once(child, 'exit');
  const begun = performance.now();
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  // The log may delay the end for a second; the idle connections of this client, for some more.
  expect(performance.now() - begun).toBeLessThan(12_000);
}

it('with a log disk that is full from the start, it serves, counts, warns and stops', async () => {
  const gateway = await redirected('>/dev/full');
  await gateway.log(2 ** 21);
  await expectServing(gateway);
  expect(await gateway.metric()).toBeGreaterThan(100);
  expect((await gateway.json('/readyz')).warnings.log).toMatch(/cannot be written \(ENOSPC\)\. \d+ lines/);
  await expectStops(gateway);
});

it('with both standard streams on a full disk, it serves and stops', async () => {
  const dataDir = await tempFolder();
  const port = await freePort();
  const child = spawn('/bin/sh', ['-c', 'exec "$@" >/dev/full 2>&1', 'sh', process.execPath, CLI, 'serve'], {
    env: { PATH: process.env.PATH, ONETAKE_DATA_DIR: dataDir, ONETAKE_PORT: String(port) },
    stdio: 'ignore',
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await eventually(async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined);
    expect(answer?.status).toBe(200);
  });
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
});

it('with a closed standard output, it serves and stops', async () => {
  const gateway = await redirected('>&-');
  await gateway.log(2 ** 16);
  await expectServing(gateway);
  await expectStops(gateway);
});

it('a reader of the log that disconnects: serves, counts, stops', async () => {
  const gateway = await withStdout('pipe');
  gateway.child.stdout?.destroy();
  await gateway.log(2 ** 16);
  await expectServing(gateway);
  expect((await gateway.json('/readyz')).warnings.log).toMatch(/EPIPE/);
  expect(await gateway.metric()).toBeGreaterThan(0);
  await expectStops(gateway);
});

it('with a pipe that nobody reads, it serves, counts and stops', async () => {
  const gateway = await withStdout(fifo(await tempFolder()));
  await gateway.log(2 ** 21);
  await expectServing(gateway);
  expect(await gateway.metric()).toBeGreaterThan(100);
  await expectStops(gateway);
});

it('a pipe that is read again gets the waiting lines, a line with the number of missing ones, and later lines', async () => {
  const gateway = await withStdout('pipe');
  await gateway.log(2 ** 21);
  const missing = await gateway.metric();
  const lines: Json[] = [];
  if (!gateway.child.stdout) throw new Error('no pipe');
  createInterface(gateway.child.stdout).on('line', (line) => lines.push(JSON.parse(line)));
  await eventually(() => expect(lines).toContainEqual(expect.objectContaining({ dropped: missing })));
  expect(lines).toContainEqual(expect.objectContaining({ msg: 'listening' }));
  await gateway.json('/healthz');
  await eventually(() => expect(lines.at(-1)).not.toHaveProperty('dropped'));
  expect((await gateway.json('/readyz')).warnings).toBeUndefined();
  await expectStops(gateway);
});

it('a disk with room again gets a line with the number of missing ones, and later lines', async ({
  skip,
}) => {
  const disk = await smallDisk();
  if (disk === undefined) return skip('no small disk can be mounted here: needs root');
  const log = join(disk, 'log');
  const gateway = await withStdout(openSync(log, 'a'));
  // Less than a line is left.
  const filler = join(disk, 'filler');
  for (let size = 2 ** 20; size >= 1; size /= 2) {
    try {
      writeFileSync(filler, Buffer.alloc(size), { flag: 'a' });
    } catch {
      // The disk is full for a piece of this size.
    }
  }
  await gateway.log(2 ** 17);
  const missing = await gateway.metric();
  expect(missing).toBeGreaterThan(0);
  await expectServing(gateway);

  rmSync(filler);
  await eventually(async () => {
    await gateway.json('/healthz');
    expect((await gateway.json('/readyz')).warnings).toBeUndefined();
  });
  const told = await eventually(() => {
    const lines = readFileSync(log, 'utf8').split('\n');
    const at = lines.findIndex((line) => line.includes('"dropped"'));
    expect(lines.length).toBeGreaterThan(at + 1);
    // The line before may be truncated by the full disk; this one and later ones are complete.
    return lines.slice(at, -1).map((line) => JSON.parse(line));
  });
  expect(told[0].dropped).toBe(await gateway.metric());
  await expectStops(gateway);
});

it('a stopped terminal (Ctrl-S): serves and stops', async ({ skip }) => {
  if (!hasPython()) return skip('no Python here to make a terminal with');
  const gateway = await serve((env, args) =>
    spawn('python3', ['-c', TERMINAL, ...args], { env, stdio: ['pipe', 'ignore', 'pipe'] }),
  );
  await gateway.log(2 ** 21);
  await expectServing(gateway);
  expect(await gateway.metric()).toBeGreaterThan(100);
  await expectStops(gateway);
});

/** A terminal that is never read, as standard output of the command in the arguments; it forwards SIGTERM. */
const TERMINAL = `
import os, pty, signal, subprocess, sys
master, slave = pty.openpty()
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=slave)
os.close(slave)
signal.signal(signal.SIGTERM, lambda *_: child.terminate())
sys.exit(child.wait())
`;

function hasPython(): boolean {
  try {
    execFileSync('python3', ['-c', 'import pty'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A named pipe and its writing end; also open for reading, so that there is a reader that does not read. */
function fifo(folder: string): number {
  const path = join(folder, 'log');
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR);
  onTestFinished(() => closeSync(fd));
  return fd;
}

async function smallDisk(): Promise<string | undefined> {
  const disk = join(await tempFolder(), 'disk');
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  onTestFinished(() => void execFileSync('umount', ['--lazy', disk]));
  return disk;
}
