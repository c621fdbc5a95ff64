import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { FAMILIES } from '../families.ts';
import { freePort } from '../servers/freePort.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The commands in a page, as printed: its shell blocks, and the lines after a prompt in its consoles. */
async function commandsOf(file: string): Promise<string[]> {
  const text = await readFile(path.join(ROOT, file), 'utf8');
  return [...text.matchAll(/^```(sh|console)\n([\s\S]*?)^```$/gm)].flatMap(([, kind, block = '']) =>
    kind === 'sh' ? [block] : [...block.matchAll(/^\$ (.*)$/gm)].map(([, command = '']) => command),
  );
}

/** A shell with a folder of its own, in which commands are typed one after another. */
interface Shell {
  readonly folder: string;
  /** Types the command; resolves with its exit code and its output on both streams. */
  run(command: string): Promise<{ code: number; output: string }>;
  /** Types the command in another terminal, where it runs until `stop`; resolves once its output matches. */
  begin(command: string, until: RegExp): Promise<{ stop(): Promise<void> }>;
}

async function openShell(settings: Readonly<Record<string, string>>): Promise<Shell> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'onetake-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  // The reader is in the checkout, but the files that the commands create belong elsewhere.
  const npm = execFileSync('/bin/sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim();
  const bin = path.join(folder, '.bin');
  await mkdir(bin);
  await writeFile(path.join(bin, 'npm'), `#!/bin/sh\nexec '${npm}' --prefix '${ROOT}' "$@"\n`);
  await chmod(path.join(bin, 'npm'), 0o755);
  const env = {
    ...Object.fromEntries(['HOME', 'LANG', 'TMPDIR'].map((name) => [name, process.env[name]])),
    PATH: `${bin}:${process.env.PATH}`,
    ...settings,
  };

  function start(args: readonly string[]) {
    const child = spawn('/bin/bash', args, { cwd: folder, env, detached: true, stdio: 'pipe' });
    onTestFinished(() => stop(child));
    return child;
  }

  async function stop(child: ReturnType<typeof start>): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const exited = once(child, 'exit');
    process.kill(-child.pid, 'SIGTERM');
    await exited;
  }

  /** Resolves with the match in what the child prints from now on. */
  function printed(
    child: ReturnType<typeof start>,
    pattern: RegExp,
  ): Promise<{ found: RegExpExecArray; output: string }> {
    return new Promise((resolve, reject) => {
      let output = '';
      const streams = [child.stdout, child.stderr];
      const hear = (chunk: Buffer) => {
        output += chunk;
        const found = pattern.exec(output);
        if (!found) return;
        for (const stream of streams) stream.off('data', hear).resume();
        resolve({ found, output });
      };
      for (const stream of streams) stream.on('data', hear);
      child.once('exit', (code) => reject(new Error(`the shell ended with ${code}: ${output}`)));
    });
  }

  const shell = start([]);
  return {
    folder,
    async run(command) {
      const ended = printed(shell, /\[ended with (\d+)\]\n/);
      shell.stdin.write(`{ ${command}\n} 2>&1 </dev/null; echo "[ended with $?]"\n`);
      const { found, output } = await ended;
      return { code: Number(found[1]), output };
    },
    async begin(command, until) {
      const child = start(['-c', command]);
      await printed(child, until);
      return { stop: () => stop(child) };
    },
  };
}

it('the commands in the README work as printed, one after another', async () => {
  const port = String(await freePort());
  const shell = await openShell({ ONETAKE_PORT: port });
  const commands = (await commandsOf('README.md')).map((command) => command.replaceAll('8787', port));
  expect(commands.length).toBeGreaterThanOrEqual(5);
  let gateway: { stop(): Promise<void> } | undefined;
  for (const command of commands) {
    if (command === 'npm start') {
      gateway = await shell.begin(command, /listening on http/);
      continue;
    }
    // "It runs until Ctrl-C."
    if (command.includes('npm start')) await gateway?.stop();
    const { code, output } = await shell.run(command);
    if (command.includes('db.internal')) {
      // The database and the bucket belong to the reader: every setting is accepted, and the database is missing.
      expect(output).toMatch(/db\.internal:5432 cannot be used/);
      expect(code).toBe(1);
      continue;
    }
    expect(code, `${command}\n${output}`).toBe(0);
    if (command.includes('--all'))
      expect(output).toContain(`${FAMILIES.length} of ${FAMILIES.length} families delivered`);
    if (command.includes('/v1/')) expect(output).toMatch(/"status":"succeeded"/);
  }
  const { size } = await stat(path.join(shell.folder, 'boat.mp4'));
  expect(size).toBeGreaterThan(100_000);
  // Relative paths are the reader's: the gateway's data, and the videos of the demos.
  const files = await readdir(shell.folder);
  expect(files).toContain('data');
  expect(files.filter((name) => name.startsWith('a-paper-boat'))).toHaveLength(1 + FAMILIES.length);
}, 300_000);

/** What runs until it is stopped, and what it prints once it is ready. */
const SERVERS: readonly (readonly [command: RegExp, ready: RegExp])[] = [
  [/npm run --silent simulators/, /VIDU_API_KEY=\S+\n/],
  [/npm start/, /listening on http/],
];

it('the commands that put a gateway in front of the simulators work as printed', async () => {
  const port = String(await freePort());
  const shell = await openShell({ ONETAKE_PORT: port });
  const outputs: string[] = [];
  for (const command of await commandsOf('docs/try-it.md')) {
    const typed = command.replaceAll('8787', port);
    const [, ready] = SERVERS.find(([server]) => server.test(command)) ?? [];
    if (ready) {
      await shell.begin(typed, ready);
      continue;
    }
    const { code, output } = await shell.run(typed);
    expect(code, `${command}\n${output}`).toBe(0);
    outputs.push(output);
  }
  const [made, ledger = '', refused] = outputs;
  expect(made).toMatch(/"status":"succeeded"/);
  expect((await stat(path.join(shell.folder, 'boat.mp4'))).size).toBeGreaterThan(10_000);
  expect(JSON.parse(ledger.slice(0, ledger.lastIndexOf('}') + 1))).toMatchObject({
    bills: 1,
    jobs: [{ upstream: 'ltx', prompt: 'a paper boat on a lake' }],
  });
  expect(refused).toMatch(/"status":"failed".*"reason":"content_rejected"/);
}, 600_000);
