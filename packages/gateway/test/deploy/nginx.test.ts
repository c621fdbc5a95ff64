import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../../../scripts/servers/freePort.ts';
import { SETTINGS } from '../../src/config/settings.ts';
import { eventually } from '../support/eventually.ts';
import { serve } from '../support/servers/httpServer.ts';
import { tempFolder } from '../support/tempFolder.ts';
import { read } from './files.ts';

it('the two examples differ only in the upstream', () => {
  const rest = (path: string) =>
    read(path)
      .replace(/^(?:#.*\n)+/, '')
      .replace(/ {2}# Docker's name server[^\n]*\n {2}resolver [^\n]*\n\n/, '')
      .replaceAll(/^ {4}server .*;\n/gm, '');
  expect(rest('deploy/nginx-hosts.conf')).toBe(rest('deploy/nginx.conf'));
  expect(read('deploy/nginx-hosts.conf')).not.toMatch(/\bresolver?\b/);
});

it('an upload may be as large as the settings say, with room for the rest of its form', () => {
  const [, files = ''] = /location ~ \^\/v1\/files([^}]*)}/.exec(read('deploy/nginx.conf')) ?? [];
  expect(files).toContain(`client_max_body_size ${Number(SETTINGS.fileLimitMb.default) + 1}m;`);
});

/** Debian installs it outside a user's PATH. */
const NGINX = ['nginx', '/usr/sbin/nginx'].find((path) => {
  try {
    execFileSync(path, ['-v'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
});

/** nginx with the example for hosts, in front of one gateway at this port. */
async function startNginx(path: string, gateway: number): Promise<{ base: string; logs(): Promise<string> }> {
  const folder = await tempFolder();
  const port = await freePort();
  const [config, access, error] = ['nginx.conf', 'access.log', 'error.log'].map((name) => join(folder, name));
  if (!config || !access || !error) throw new Error('no paths');
  const text = read('deploy/nginx-hosts.conf')
    .replace('listen 8080;', `listen 127.0.0.1:${port};`)
    .replace('server 10.0.0.11:8787', `server 127.0.0.1:${gateway}`)
    .replace(/ {4}server 10\.0\.0\.12.*\n/, '')
    .replace('/tmp/nginx.pid', join(folder, 'nginx.pid'))
    .replaceAll('/dev/stdout', access)
    .replaceAll('/dev/stderr', error);
  await writeFile(config, text);
  const child = spawn(path, ['-p', folder, '-e', error, '-c', config, '-g', 'daemon off;'], {
    stdio: 'ignore',
  });
  const exited = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  const base = `http://127.0.0.1:${port}`;
  await eventually(() => fetch(`${base}/readyz`));
  return { base, logs: async () => (await readFile(access, 'utf8')) + (await readFile(error, 'utf8')) };
}

const SECRET = 'signature=0123456789abcdef';

it('no signature of a media link is in any log of nginx, whether the gateway responds, fails or is down', async ({
  skip,
}) => {
  if (NGINX === undefined) return skip('no nginx here: apt-get install nginx-light');
  const seen: (string | undefined)[] = [];
  const { port: gateway } = await serve((request, response) => {
    seen.push(request.url);
    if (request.url?.startsWith('/media/cut')) request.socket.destroy();
    else response.end('bytes');
  });
  const there = await startNginx(NGINX, gateway);
  expect(await (await fetch(`${there.base}/media/whole?${SECRET}`)).text()).toBe('bytes');
  expect(seen).toContain(`/media/whole?${SECRET}`);
  expect((await fetch(`${there.base}/media/cut?${SECRET}`)).status).toBe(502);
  const tooLarge = { method: 'POST', body: Buffer.alloc(65 * 2 ** 20) };
  await fetch(`${there.base}/media/large?${SECRET}`, tooLarge).catch(() => undefined);
  // The same body is no larger than an upload may be.
  expect((await fetch(`${there.base}/v1/files`, tooLarge)).status).toBe(200);

  const away = await startNginx(NGINX, 1);
  expect((await fetch(`${away.base}/media/away?${SECRET}`)).status).toBe(502);
  for (const [{ logs }, paths] of [
    [there, ['/media/whole 200', '/media/cut 502', '/media/large 413']],
    [away, ['/media/away 502']],
  ] as const) {
    await eventually(async () => {
      for (const path of paths) expect(await logs()).toContain(path);
    });
    expect(await logs()).not.toContain('0123456789abcdef');
  }
});
