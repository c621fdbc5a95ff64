import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { readSendfile } from '../../../src/media/sendfile.ts';
import { eventually } from '../../support/eventually.ts';
import { type Json, KEY, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const NO_NGINX = spawnSync('nginx', ['-v']).error !== undefined;

describe('the setting', () => {
  it.each([
    ['X-Accel-Redirect:/protected/', 'X-Accel-Redirect', '/protected/'],
    ['x-accel-redirect:/a', 'X-Accel-Redirect', '/a/'],
    ['X-Sendfile', 'X-Sendfile', ''],
    ['X-Sendfile:/srv/media', 'X-Sendfile', '/srv/media/'],
  ])('%s is read', (text, header, prefix) => {
    expect(readSendfile(text)).toEqual({ header, prefix });
  });

  it.each([
    ['', /must be X-Accel-Redirect/],
    ['X-Other:/a/', /must be X-Accel-Redirect/],
    ['X-Accel-Redirect', /needs the path/],
    ['X-Accel-Redirect:protected', /must be a path/],
    ['X-Accel-Redirect:/a/../b', /must be a path/],
    ['X-Accel-Redirect:/', /must be a path of its own, such as \/protected\//],
    ['X-Accel-Redirect://a', /must be a path of its own/],
    ['X-Sendfile:/', /must be a path of its own/],
    ['X-Accel-Redirect:/a?b', /must be a path/],
    ['X-Sendfile:/a b', /must be a path/],
    ['X-Sendfile:/a\r\nb: c', /must be X-Accel-Redirect/],
  ])('%j is refused', (text, message) => {
    expect(() => readSendfile(text)).toThrow(message);
  });
});

describe('a gateway behind nginx', () => {
  let t: TestGateway;
  let task: Json;
  let path: string;
  beforeAll(async () => {
    t = await startTestGateway({ ONETAKE_SENDFILE: 'X-Accel-Redirect:/protected/' });
    task = await t.finished();
    path = `/v1/video/generations/${task.task_id}/content`;
  });
  afterAll(() => t.end());

  const storedFile = async () => {
    const folder = join(t.dataDir, 'media', 'video');
    return join(folder, (await readdir(folder))[0] ?? '');
  };

  it('names the file in a header, for the content and for links, and sends nothing of it', async () => {
    for (const url of [path, task.url]) {
      const response = await t.call(url);
      expect(response.status).toBe(200);
      expect(response.headers.get('x-accel-redirect')).toMatch(/^\/protected\/video\/[0-9a-f]+-1v\.mp4$/);
      expect(response.headers.get('content-type')).toBe('video/mp4');
      expect(response.headers.get('cache-control')).toBeNull();
      expect((await response.arrayBuffer()).byteLength).toBe(0);
    }
  });

  it('answers what needs no bytes itself, with the entity tag that nginx gives', async () => {
    const head = await t.call(path, { method: 'HEAD' });
    const bytes = await readFile(await storedFile());
    expect(head.headers.get('content-length')).toBe(String(bytes.length));
    expect(head.headers.get('x-accel-redirect')).toBeNull();
    const etag = head.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[0-9a-f]{8}-[0-9a-f]+"$/);
    const same = await t.call(path, { headers: { 'if-none-match': etag } });
    expect([same.status, same.headers.get('x-accel-redirect')]).toEqual([304, null]);
    const beyond = await t.call(path, { headers: { range: `bytes=${bytes.length}-` } });
    expect([beyond.status, beyond.headers.get('x-accel-redirect')]).toEqual([416, null]);
  });

  it('names no file to those who may not have it', async () => {
    for (const response of [
      await t.call(path, { key: null }),
      await t.call(String(task.url).replace(/signature=[^&]+/, 'signature=x')),
    ]) {
      expect([401, 403]).toContain(response.status);
      expect(response.headers.get('x-accel-redirect')).toBeNull();
    }
  });

  it('still sends base64 itself', async () => {
    const { body } = await t.json(`/v1/video/generations/download?id=${task.task_id}`);
    expect(Buffer.from(body.base64, 'base64').equals(await readFile(await storedFile()))).toBe(true);
  });

  // The block of the documentation in a deployment file, as they stand there.
  it.skipIf(NO_NGINX)('lets nginx send it, with its headers, in parts and whole', async () => {
    const { url, file } = { url: await startNginx(t), file: await readFile(await storedFile()) };
    const authorization = { authorization: `Bearer ${KEY}` };
    const get = (headers: Record<string, string> = {}, method = 'GET') =>
      fetch(`${url}${path}`, { method, headers: { ...authorization, ...headers } });

    const whole = await get();
    expect(Buffer.from(await whole.arrayBuffer()).equals(file)).toBe(true);
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'content-type': 'video/mp4',
      'content-length': String(file.length),
      'content-disposition': `attachment; filename="${task.task_id}.mp4"`,
      'cache-control': 'private, max-age=3600, immutable',
      'repr-digest': `sha-256=:${createHash('sha256').update(file).digest('base64')}:`,
      'x-content-type-options': 'nosniff',
      'x-request-id': expect.stringMatching(/./),
    });
    expect(whole.headers.get('x-accel-redirect')).toBeNull();
    const etag = whole.headers.get('etag') ?? '';
    expect((await get({}, 'HEAD')).headers.get('etag')).toBe(etag);

    const part = await get({ range: 'bytes=10-19', 'if-range': etag });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 10-19/${file.length}`]);
    expect(Buffer.from(await part.arrayBuffer()).equals(file.subarray(10, 20))).toBe(true);
    expect((await get({ 'if-none-match': etag })).status).toBe(304);
    expect((await get({ 'if-match': '"other"' })).status).toBe(412);

    const link = await fetch(new URL(new URL(task.url).pathname + new URL(task.url).search, url));
    expect(link.headers.get('access-control-allow-origin')).toBe('*');
    expect(link.headers.get('content-disposition')).toMatch(/^inline/);
    expect(Buffer.from(await link.arrayBuffer()).equals(file)).toBe(true);
    // Not by its place.
    const place = (await t.call(path)).headers.get('x-accel-redirect') ?? '';
    expect((await fetch(`${url}${place}`)).status).toBe(404);
  });

  it.skipIf(NO_NGINX || process.getuid?.() !== 0)(
    'is not made to say that an error may be kept',
    async () => {
      const url = await startNginx(t, 'daemon');
      const refused = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${KEY}` } });
      expect([refused.status, refused.headers.get('cache-control')]).toEqual([403, null]);
    },
  );

  it('still refuses a file that was cut', async () => {
    await truncate(await storedFile(), 100);
    const response = await t.call(path);
    expect([response.status, response.headers.get('x-accel-redirect')]).toEqual([502, null]);
    expect(await response.json()).toMatchObject({ error: { reason: 'media_damaged' } });
  });
});

it('names the file itself with X-Sendfile', async () => {
  const t = await startTestGateway({ ONETAKE_SENDFILE: 'X-Sendfile' });
  onTestFinished(() => t.end());
  const { task_id: id } = await t.finished();
  const { headers } = await t.call(`/v1/video/generations/${id}/content`);
  const sent = headers.get('x-sendfile') ?? '';
  expect(sent.startsWith(join(t.dataDir, 'media', 'video'))).toBe(true);
  expect((await readFile(sent)).subarray(4, 8).toString()).toBe('ftyp');
  expect(headers.get('etag')).toMatch(/^"[0-9a-f]{64}"$/);
});

/** Starts nginx with a deployment file and the block of docs/storage.md in front of a gateway. */
async function startNginx({ gateway, dataDir }: TestGateway, user = 'root'): Promise<string> {
  const file = (path: string) => readFile(new URL(`../../../../../${path}`, import.meta.url), 'utf8');
  const block = /```nginx\n(location .*?)```/s.exec(await file('docs/storage.md'))?.[1] ?? '';
  const dir = await tempFolder();
  const port = await freePort();
  const replaced = (text: string, changes: readonly (readonly [RegExp, string])[]) =>
    changes.reduce((now, [from, to]) => {
      expect(now).toMatch(from);
      return now.replace(from, to);
    }, text);
  await mkdir(join(dir, 'tmp'));
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${join(dir, 'tmp', kind)};`,
  );
  const config = replaced(await file('deploy/nginx-hosts.conf'), [
    [/^pid .*$/m, `user ${user}; daemon off; pid ${join(dir, 'pid')};`],
    [/^ *worker_connections .*$/m, ''],
    [/^ *access_log .*$/m, `access_log off; ${paths.join(' ')}`],
    [/(?:^ *server [\w.-]+:\d+.*\n)+/m, `server ${new URL(gateway.address).host};\n`],
    [
      /listen 8080;/,
      `listen 127.0.0.1:${port}; ${replaced(block, [[/\/var\/lib\/onetake\/media\//, `${join(dataDir, 'media')}/`]])}`,
    ],
  ]);
  await writeFile(join(dir, 'nginx.conf'), config);
  const nginx = spawn('nginx', ['-c', join(dir, 'nginx.conf'), '-p', dir], { stdio: 'ignore' });
  const ended = once(nginx, 'exit');
  onTestFinished(async () => {
    nginx.kill('SIGTERM');
    await ended;
  });
  const url = `http://127.0.0.1:${port}`;
  await eventually(async () => expect((await fetch(`${url}/healthz`)).status).toBe(200));
  return url;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}
