import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, glob, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { pack } from '../pack/tarball.ts';
import { addressIn } from './addressIn.ts';

const run = promisify(execFile);
const KEY = `sk-${'k'.repeat(24)}`;

/** The instructions of a stage of the Dockerfile, in their order. */
async function stages(): Promise<readonly (readonly (readonly [name: string, rest: string])[])[]> {
  const text = await readFile(join(import.meta.dirname, '../../deploy/Dockerfile'), 'utf8');
  const lines = text.replaceAll('\\\n', ' ').split('\n');
  const instructions = lines.flatMap((line) => {
    const [, name, rest] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    return name === undefined || rest === undefined ? [] : [[name, rest] as const];
  });
  const starts = instructions.flatMap(([name], index) => (name === 'FROM' ? [index] : []));
  return starts.map((start, index) => instructions.slice(start + 1, starts[index + 1]));
}

/**
 * There is no Docker here, so this runs what the Dockerfile says: in an empty folder instead of /app, with this Node, and then by a user who may write
 * only where the Dockerfile says so.
 */
it('the steps of the Dockerfile install a gateway that runs as a user who cannot write to it', {
  timeout: 600_000,
}, async ({ skip }) => {
  if (process.getuid?.() !== 0) return skip('only root can become the user of the image');
  const root = await mkdtemp(join(tmpdir(), 'onetake-image-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  await chmod(root, 0o755);
  const [app, data, bin] = [join(root, 'app'), join(root, 'data'), join(root, 'bin')];
  for (const folder of [app, data, bin]) await mkdir(folder);
  // The image's user may not be able to reach that of the checkout.
  await cp(process.execPath, join(bin, 'node'));
  const path = [bin, process.env.PATH].join(':');

  const [building = [], running = []] = await stages();
  for (const [name, rest] of building) {
    if (name === 'COPY') {
      const [from = '', to = ''] = rest.split(' ');
      await pack('gateway', join(root, dirname(from)));
      const files: string[] = [];
      for await (const file of glob(from, { cwd: root })) files.push(file);
      expect(files.map(dirname)).toEqual([dirname(from)]);
      await cp(join(root, files[0] ?? ''), join(app, to));
    }
    if (name === 'RUN') {
      // Of npm's own folder the build takes only the cache, which the last step empties.
      const command = rest.replace('npm cache clean --force', 'true');
      const env = { ...process.env, PATH: path, npm_config_prefer_offline: 'true' };
      await run('sh', ['-c', command], { cwd: app, env }).catch((error: Error) => {
        if (process.env.CI === 'true') throw error;
        skip(`needs a registry: ${error.message}`);
      });
    }
  }

  const [uid = 0, gid = 0] = (running.find(([name]) => name === 'USER')?.[1] ?? '').split(':').map(Number);
  const said = running.filter(([name]) => name === 'ENV').flatMap(([, rest]) => rest.trim().split(/\s+/));
  const place = (value: string) =>
    value
      .replaceAll('/app', app)
      .replace(/^\/data(?=$|\/)/, data)
      .replace(/^\/tmp$/, data)
      .replace('$PATH', path);
  const env = Object.fromEntries(
    said.map((one) => one.split(/=(.*)/, 2)).map(([name, value = '']) => [name, place(value)]),
  );
  await chown(data, uid, gid);
  const only = { cwd: app, uid, gid };
  const [entry = [], serve = []] = ['ENTRYPOINT', 'CMD'].map((wanted) =>
    JSON.parse(running.find(([name]) => name === wanted)?.[1] ?? '[]'),
  );
  const settings = { ...env, ONETAKE_HOST: '127.0.0.1', ONETAKE_PORT: '0', ONETAKE_BOOTSTRAP_KEY: KEY };
  const [command, ...args] = [...entry, ...serve];
  const serving = spawn(command, args, { ...only, env: settings, stdio: ['ignore', 'ignore', 'pipe'] });
  onTestFinished(() => void serving.kill('SIGKILL'));
  const url = await addressIn(serving.stderr);

  const health = running.find(([name]) => name === 'HEALTHCHECK')?.[1] ?? '';
  const [probe, ...words] = JSON.parse(health.slice(health.indexOf('[')));
  await run(probe, words, { ...only, env: { ...env, ONETAKE_PORT: new URL(url).port } });
  await expect(run(probe, words, { ...only, env: { ...env, ONETAKE_PORT: '1' } })).rejects.toMatchObject({
    code: 1,
  });

  const asked = ['generate', 'a storm', '-m', 'onetake-preview', '-d', '1', '--resolution', '480p'];
  const remote = { ...env, ONETAKE_URL: url, ONETAKE_API_KEY: KEY };
  const made = await run(command, [...asked, '-o', join(data, 'storm.mp4')], { ...only, env: remote });
  expect(basename(made.stdout)).toBe('storm.mp4\n');
  await expect(run('sh', ['-c', 'touch written'], only)).rejects.toThrow(/written/);
  serving.kill('SIGTERM');
  expect(await once(serving, 'exit')).toEqual([0, null]);
});
