import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../../scripts/servers/freePort.ts';
import type { BareAnswer } from './bare.ts';
import { AUTHORIZED, endWith, pidOf, type Server, startBare } from './servers.ts';

const execute = promisify(execFile);

/** Another server, which is installed for the bench alone. */
export interface Peer {
  /** With the version that is installed. */
  readonly name: string;
  /** What it does for a request. It is not the same for all: a gateway asks its upstream, where ours answers from its cache. */
  readonly answers: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  install(folder: string): Promise<void>;
  start(folder: string, answer: BareAnswer, opened: AsyncDisposableStack): Promise<Server>;
}

const npm = (spec: string) => async (folder: string) => {
  const flags = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder];
  await execute('npm', ['install', ...flags, spec], { timeout: INSTALL_MS });
};

/** The bare server of `bare.ts`, for Bun. */
const BUN = `
  import { createHash } from 'node:crypto';
  const { key, headers: { 'content-length': _, ...headers }, body } = JSON.parse(process.env.ANSWER);
  const sha256 = (text) => createHash('sha256').update(text).digest('hex');
  const keys = new Set([sha256(key)]);
  Bun.serve({
    hostname: '127.0.0.1',
    port: Number(process.env.PORT),
    fetch(request) {
      const given = /^Bearer +(\\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? '';
      return keys.has(sha256(given)) ? new Response(body, { headers }) : new Response(null, { status: 401 });
    },
  });
`;

/** An installation that takes longer is given up. */
const INSTALL_MS = 900_000;
/** A server that does not answer by then is given up. */
const START_MS = 180_000;

const LITELLM_KEY = 'sk-bench-litellm-0123456789';

export const PEERS: Readonly<Record<string, Peer>> = {
  bun: {
    name: 'Bun 1.4.5, whose HTTP server is µWebSockets',
    answers: 'the same bytes after the same header check: the ceiling of a handler in JavaScript',
    path: '/v1/video/generations/one',
    headers: AUTHORIZED,
    install: npm('@oven/bun-linux-x64@1.4.5'),
    async start(folder, answer, opened) {
      const port = await freePort();
      await writeFile(join(folder, 'serve.mjs'), BUN);
      const program = join(folder, 'node_modules/@oven/bun-linux-x64/bin/bun');
      const child = spawn(program, [join(folder, 'serve.mjs')], {
        stdio: 'ignore',
        env: { PORT: String(port), ANSWER: JSON.stringify(answer) },
      });
      return listening(child, port, this.path, this.headers, opened);
    },
  },
  nginx: {
    name: 'nginx 1.22, one process',
    answers: 'the same bytes from a file, after a comparison of the header',
    path: '/answer',
    headers: AUTHORIZED,
    async install(folder) {
      await execute('apt-get', ['download', 'nginx'], { cwd: folder, timeout: INSTALL_MS });
      const file = (await readdir(folder)).find((name) => name.endsWith('.deb')) ?? '';
      await execute('dpkg-deb', ['-x', join(folder, file), join(folder, 'root')]);
    },
    async start(folder, { body, headers }, opened) {
      const port = await freePort();
      await writeFile(join(folder, 'answer'), body);
      const added = ['x-request-id', 'cache-control'].map((name) => `add_header ${name} "${headers[name]}";`);
      const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${join(folder, name)};`,
      );
      await writeFile(
        join(folder, 'nginx.conf'),
        `master_process off; pid ${join(folder, 'pid')}; daemon off; events {}
http { ${paths.join(' ')} access_log off; keepalive_requests 100000000; default_type application/json;
server { listen 127.0.0.1:${port}; root ${folder}; location / { ${added.join(' ')}
if ($http_authorization != "${AUTHORIZED.authorization}") { return 401; } } } }`,
      );
      const program = join(folder, 'root/usr/sbin/nginx');
      const child = spawn(
        program,
        ['-p', folder, '-e', join(folder, 'errors'), '-c', join(folder, 'nginx.conf')],
        {
          stdio: 'ignore',
        },
      );
      return listening(child, port, '/answer', AUTHORIZED, opened);
    },
  },
  portkey: {
    name: '@portkey-ai/gateway 1.15.2',
    answers:
      'asks its upstream (its GET of a batch: its GET of an unknown route, such as a video, fails with 500)',
    path: '/v1/batches/one',
    headers: { ...AUTHORIZED, 'x-portkey-provider': 'openai' },
    install: npm('@portkey-ai/gateway@1.15.2'),
    async start(folder, answer, opened) {
      const upstream = await startBare(answer, opened);
      const port = await freePort();
      const script = join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js');
      const child = spawn(process.execPath, [script, `--port=${port}`, '--headless'], {
        stdio: 'ignore',
        env: { ...process.env, NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: 'localhost,127.0.0.1' },
      });
      const host = { 'x-portkey-custom-host': `http://127.0.0.1:${upstream.port}/v1` };
      Object.assign(this.headers, host);
      return listening(child, port, this.path, this.headers, opened);
    },
  },
  litellm: {
    name: 'litellm[proxy] 1.77.5',
    answers: 'its list of one model, after a check of its key',
    path: '/v1/models',
    headers: { authorization: `Bearer ${LITELLM_KEY}` },
    async install(folder) {
      await execute('python3', ['-m', 'venv', join(folder, 'venv')], { timeout: INSTALL_MS });
      const pip = join(folder, 'venv/bin/pip');
      await execute(pip, ['install', '-q', 'litellm[proxy]==1.77.5'], { timeout: INSTALL_MS });
    },
    async start(folder, _answer, opened) {
      const port = await freePort();
      const config = join(folder, 'litellm.yaml');
      const models = [{ model_name: 'one', litellm_params: { model: 'openai/one', api_key: 'sk-none' } }];
      await writeFile(config, JSON.stringify({ model_list: models }));
      const args = ['--config', config, '--host', '127.0.0.1', '--port', String(port), '--num_workers', '1'];
      const child = spawn(join(folder, 'venv/bin/litellm'), args, {
        stdio: 'ignore',
        env: { ...process.env, LITELLM_MASTER_KEY: LITELLM_KEY, LITELLM_LOCAL_MODEL_COST_MAP: 'True' },
      });
      return listening(child, port, this.path, this.headers, opened);
    },
  },
};

/** The server of a process, once it answers. */
async function listening(
  child: ChildProcess,
  port: number,
  path: string,
  headers: Readonly<Record<string, string>>,
  opened: AsyncDisposableStack,
): Promise<Server> {
  child.on('error', () => undefined);
  const server = { pid: pidOf(child), port };
  endWith(opened, child);
  let said = 'it does not listen';
  for (const until = performance.now() + START_MS; performance.now() < until && child.exitCode === null; ) {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers }).catch(() => undefined);
    if (answer?.status === 200) return server;
    if (answer) said = `${answer.status} ${await answer.text()}`;
    await sleep(200);
  }
  throw new Error(
    `it does not answer: ${child.exitCode === null ? said : `it ended with ${child.exitCode}`}`,
  );
}
