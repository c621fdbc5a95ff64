import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLI } from '../../support/processes/commandLine.ts';
import { QUICK, SIMULATED, shellIn, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.end());

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/;

/** The ids of all tasks. */
async function tasks(): Promise<string[]> {
  const { body } = await world.json('/v1/video/generations?limit=100');
  return body.data.map(({ task_id: id }: { task_id: string }) => id);
}

describe('onetake generate', () => {
  it('makes a video in the folder of the caller, and writes plain lines where there is no terminal', async () => {
    const { cwd, run } = await shellIn(world.env);
    const { code, stdout, stderr } = await run('generate', 'a paper boat', ...QUICK, '-o', 'boat.mp4');
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: 'boat.mp4\n' });
    expect(stderr).toMatch(/^queued 0%\n[\s\S]*succeeded 100%\n1 s, 854x480, h264, [\d.]+ MB\n$/);
    expect(stdout + stderr).not.toMatch(CONTROL);
    expect(await readdir(cwd)).toEqual(['boat.mp4']);
    expect(await world.probe(cwd, 'boat.mp4')).toMatchObject({ ok: true, probe: { duration: 1 } });
  });

  it('prints one JSON document with --json, and nothing else', async () => {
    const { cwd, run } = await shellIn(world.env);
    const { code, stdout, stderr } = await run('generate', 'A lighthouse!', ...QUICK, '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const bytes = await readFile(join(cwd, 'a-lighthouse.mp4'));
    expect(JSON.parse(stdout)).toMatchObject({
      task_id: expect.stringMatching(/^video_[0-9a-f]{32}$/),
      status: 'succeeded',
      model: 'onetake-preview',
      duration: 1,
      file: 'a-lighthouse.mp4',
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    });
  });

  it('writes the video itself to standard output, if asked to', async () => {
    const { cwd, run } = await shellIn(world.env);
    await writeFile(join(cwd, 'make.sh'), `"${process.execPath}" "${CLI}" "$@" > out.mp4`);
    const command = ['make.sh', 'generate', 'a paper boat', ...QUICK, '-o', '-'];
    await promisify(execFile)('sh', command, { cwd, env: { ...process.env, ...world.env } });
    expect(await world.probe(cwd, 'out.mp4')).toMatchObject({ ok: true });
    expect(await run('generate', 'x', ...QUICK, '-o', '-', '--json')).toMatchObject({ code: 2, stdout: '' });
  });

  it('takes the prompt from standard input, and any parameter by --set', async () => {
    const { begin, run } = await shellIn(world.env);
    const more = ['--set', 'style=ink', '--set', 'generate_audio=true', '--metadata', 'order=17'];
    const line = ['generate', '-', ...QUICK, ...more, '--detach', '--json'];
    const { code, stdout } = await begin(line, 'a boat\n').ended;
    expect(code).toBe(0);
    const { task_id: id } = JSON.parse(stdout);
    const listed = await run('list', '--metadata', 'order=17', '--json');
    expect(JSON.parse(listed.stdout)).toMatchObject([{ task_id: id, metadata: { order: '17' } }]);
    const done = await run('wait', id, '--json');
    expect(JSON.parse(done.stdout)).toMatchObject({ task_id: id, audio_codec: 'aac' });
  });

  it.each([
    [
      ['a paper boat', '-m', 'onetake-preview', '--set', 'duraton=3'],
      /^There is no field "duraton": did you mean duration\?\n$/,
    ],
    [
      ['a paper boat', '-m', 'onetake-preview', '-d', '1000'],
      /^duration "1000" is not possible with onetake-preview; allowed: .*\n$/,
    ],
    [['a paper boat', ...QUICK, '--image', 'notes.txt'], /^image: .+\n$/],
    [
      ['a paper boat', ...QUICK, '--image', 'missing.png'],
      /^The file missing\.png cannot be read \(ENOENT\)/,
    ],
    [
      ['a paper boat', ...QUICK, '-o', 'folder'],
      /^folder is a folder; name a file in it: -o folder\/video\.mp4\.\n$/,
    ],
    [
      ['a paper boat', ...QUICK, '-o', 'nowhere/a.mp4'],
      /^Nothing can be saved in the folder \S+nowhere \(ENOENT\)/,
    ],
    [['a paper boat'], /^Say which model: [\s\S]*\n\nUsage: onetake generate /],
    [['a', 'paper', 'boat', ...QUICK], /^The prompt is one argument; put it in quotes/],
    [['a paper boat', ...QUICK, '--set', 'seed=2'], /^--set seed: it has a value already\.\n/],
    [['a paper boat', ...QUICK, '--set', 'seed'], /^--set takes key=value/],
    [
      ['a paper boat', ...QUICK, '--duraton', '3'],
      /^Unknown option '--duraton'\. Did you mean --duration\?\n/,
    ],
  ])('submits nothing and exits with 2: %j', async (args, message) => {
    const before = await tasks();
    const { cwd, run } = await shellIn(world.env);
    await mkdir(join(cwd, 'folder'));
    await writeFile(join(cwd, 'notes.txt'), 'no image');
    const { code, stdout, stderr } = await run('generate', ...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(await tasks()).toEqual(before);
  });

  it('exits with 3 and the reason if the task fails', async () => {
    const { cwd, run } = await shellIn(world.env);
    const { code, stdout, stderr } = await run(
      'generate',
      'a boat [fail]',
      ...SIMULATED,
      '-o',
      'boat.mp4',
      '--json',
    );
    expect(code).toBe(3);
    const { task_id: id, error, status } = JSON.parse(stdout);
    expect(status).toBe('failed');
    expect(stderr).toBe(`${id} failed: ${error.message} (${error.reason})\n`);
    expect(await readdir(cwd)).toEqual([]);
  });

  it('draws a bar that fits a terminal of 40 columns', async ({ skip }) => {
    if (!existsSync('/usr/bin/script')) skip('needs the terminal of util-linux');
    const { cwd } = await shellIn(world.env);
    const words = [process.execPath, CLI, 'generate', '"a boat"', ...QUICK, '-o', 'boat.mp4'].join(' ');
    const terminal = ['-qec', `stty cols 40 rows 10; ${words}`, '/dev/null'];
    const env = { PATH: process.env.PATH, TERM: 'xterm', ...world.env };
    const { stdout } = await promisify(execFile)('script', terminal, { cwd, env });
    const drawn = stdout
      .split('\r\u001b[2K')
      .slice(1)
      .map((text) => text.split(/\r?\n/)[0] ?? '');
    for (const last of [/^█+ 100% {2}succeeded$/, /^█+ 100% {2}saving$/])
      expect(drawn).toContainEqual(expect.stringMatching(last));
    for (const line of drawn) expect([...line].length, line).toBeLessThan(40);
  });
});

describe('a task that goes on without the command', () => {
  it('is found again after --detach', async () => {
    const { cwd, run } = await shellIn(world.env);
    const begun = await run('generate', 'a paper boat', ...QUICK, '--detach', '-o', 'my boat.mp4');
    const id = begun.stdout.trim();
    expect(begun).toMatchObject({ code: 0, stdout: expect.stringMatching(/^video_[0-9a-f]{32}\n$/) });
    expect(begun.stderr).toContain(`onetake wait ${id} -o 'my boat.mp4'\n`);
    expect(await run('wait', id, '-o', 'my boat.mp4')).toMatchObject({ code: 0, stdout: 'my boat.mp4\n' });
    expect(await run('download', id, '--json')).toMatchObject({ code: 0 });
    expect(await run('download', id, '--thumbnail')).toMatchObject({ code: 0, stdout: `${id}.jpg\n` });
    expect(await readdir(cwd)).toEqual(['my boat.mp4', `${id}.jpg`, `${id}.mp4`]);
    expect(await world.probe(cwd, `${id}.mp4`)).toMatchObject({ ok: true });
    expect((await run('get', id)).stdout).toMatch(/^task_id +video_\w+\nstatus +succeeded\n/);
    expect(await run('delete', id)).toMatchObject({ code: 0, stdout: `${id} deleted\n` });
    expect(await run('get', id)).toMatchObject({ code: 2, stderr: 'The task was deleted.\n' });
  });

  it('is named by Ctrl-C, with what resumes it', async () => {
    const { cwd, begin, run } = await shellIn(world.env);
    const { child, ended, says } = begin(['generate', 'a boat [hold]', ...SIMULATED, '-o', 'boat.mp4']);
    await says(/in_progress/);
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ended;
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    const [, id = ''] = /^ {2}onetake wait (video_\w+) -o boat\.mp4$/m.exec(stderr) ?? [];
    expect(stderr).toContain(`Interrupted.\nThe task goes on. Wait for it with:\n`);
    expect(stderr).toContain(`  onetake cancel ${id}\n`);

    expect(await run('download', id)).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(
        `^The video is not ready: .*Wait for it with:\n  onetake wait ${id} -o ${id}.mp4\n$`,
      ),
    });
    const late = await run('wait', id, '--timeout', '0.5');
    expect(late).toMatchObject({ code: 4, stdout: '' });
    expect(late.stderr).toContain(`onetake wait ${id}\n`);
    const resumed = begin(['wait', id, '-o', 'boat.mp4']);
    await resumed.says(/in_progress/);
    world.finish();
    expect(await resumed.ended).toMatchObject({ code: 0, stdout: 'boat.mp4\n' });
    expect(await world.probe(cwd, 'boat.mp4')).toMatchObject({ ok: true });
  });

  it('is cancelled', async () => {
    const { run } = await shellIn(world.env);
    const { stdout } = await run(
      'generate',
      'a storm',
      '-m',
      'onetake-preview',
      '-d',
      '20',
      '--resolution',
      '1080p',
      '--detach',
    );
    const id = stdout.trim();
    expect(await run('cancel', id)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(new RegExp(`^${id} (?:cancelled|\\w+, cancelling: .*)\n$`)),
    });
    expect(await run('wait', id)).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/\(cancelled\)\n$/),
    });
  });
});

it('onetake models tells what is made of values that the provider does not have', async () => {
  const { run } = await shellIn(world.env);
  const { stdout } = await run('models', 'sora-2');
  expect(stdout).toMatch(/^ {2}duration: .*; 5 is made as 4, 10 is made as 12, 15 is made as 16$/m);
  expect(stdout).toMatch(/^ {2}resolution: .*; 480p is made as 720p/m);
});
