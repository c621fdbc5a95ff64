import { execFile } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completionScript, SHELLS } from '../../../src/cli/completion.ts';
import { createProgram } from '../../../src/cli/program.ts';
import { KEY, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { runOnetake } from '../../support/processes/commandLine.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { shellIn } from './world.ts';

let t: TestGateway;
beforeAll(async () => {
  t = await startTestGateway({ ONETAKE_ALLOW_PRIVATE_HOSTS: '127.0.0.1' });
});
afterAll(() => t.end());
const env = () => ({ ONETAKE_URL: t.gateway.address, ONETAKE_API_KEY: KEY });

describe('what is wrong with the connection is said, with what to do', () => {
  it('a server that cannot be reached', async () => {
    const { run } = await shellIn({ ...env(), ONETAKE_URL: 'http://127.0.0.1:2' });
    const { code, stdout, stderr } = await run('list');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^http:\/\/127\.0\.0\.1:2 could not be reached.*ECONNREFUSED/);
    expect(stderr).toMatch(
      /Check --url or ONETAKE_URL, and that the gateway is running \(onetake serve\)\.\n$/,
    );
  });

  it('before a submit, of which it says whether a task may be there', async () => {
    const args = ['generate', 'x', '-m', 'onetake-preview'] as const;
    const { run } = await shellIn(env());
    const away = await run(...args, '--url', 'http://127.0.0.1:2');
    expect([away.code, away.stderr]).toEqual([1, expect.not.stringContaining('not known')]);
    const { origin } = await serve((request) => void request.socket.destroy());
    const cut = await run(...args, '--url', origin, '--idempotency-key', 'mine');
    expect(cut).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/Whether a task was submitted is not known\..* --idempotency-key mine /),
    });
    const none = await run('generate', 'x', '-m', 'veo-3.1-generate-001');
    expect(none).toMatchObject({ code: 2, stderr: expect.stringMatching(/has no account here/) });
    expect(none.stderr).not.toContain('not known');
  }, 120_000);

  it('a wrong key, and none', async () => {
    const { run } = await shellIn({ ONETAKE_URL: t.gateway.address });
    const wrong = await run('list', '--api-key', 'sk-wrong');
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).toMatch(
      /^This API key does not exist; .*\nCheck --api-key, ONETAKE_API_KEY, or the profile/,
    );
    expect(await run('list')).toMatchObject({
      code: 2,
      stderr: 'Say the API key: --api-key KEY, or ONETAKE_API_KEY, or save it with onetake login.\n',
    });
  });

  it('a server that is no gateway', async () => {
    const { origin } = await serve((_request, response) => void response.end('<html>'));
    const { run } = await shellIn({ ...env(), ONETAKE_URL: origin });
    expect(await run('list')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^The answer is not JSON; /),
    });
    const other = await serve((_request, response) => void response.end('{"ok":true}'));
    expect(await run('list', '--url', other.origin)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^The answer is no list of tasks; check baseUrl/),
    });
    expect(await run('list', '--url', 'video.example.com')).toMatchObject({ code: 2 });
  });
});

describe('onetake login', () => {
  it('saves a profile that only this user can read, and the commands use it', async () => {
    const { cwd, begin, run } = await shellIn({});
    const login = await begin(['login', '--url', t.gateway.address], `${KEY}\n`).ended;
    const path = join(cwd, '.config/onetake/profile.json');
    expect(login).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining(path) });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(cwd, '.config/onetake'))).mode & 0o777).toBe(0o700);
    expect(await run('list', '--json')).toMatchObject({ code: 0, stdout: '[]\n' });
    expect(await run('list')).toEqual({ code: 0, stdout: '', stderr: 'The project has no tasks yet.\n' });
    expect(await run('list', '-m', 'onetake-preview')).toMatchObject({ stderr: 'No task matches.\n' });
    expect(await run('list', '-m', 'onetake-preveiw')).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/There is no model "onetake-preveiw"; did you mean onetake-preview\?/),
    });
    expect((await run('models')).stdout).toMatch(/^onetake-preview {2}.*free\n/);
    expect((await run('models', 'onetake-preveiw')).stderr).toMatch(/did you mean onetake-preview\?/);

    // Its key is for this gateway alone.
    const other = await serve((_request, response) => void response.end());
    const refused = await run('list', '--url', other.origin);
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`The saved API key is for ${t.gateway.address}`),
    });
    expect(other.requests).toHaveLength(0);
    await writeFile(path, '{');
    expect(await run('list')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`${path} is damaged`),
    });
  });

  it('takes the key of a pipe before that of the environment, and says which it saved', async () => {
    const { cwd, begin, run } = await shellIn({
      ONETAKE_URL: t.gateway.address,
      ONETAKE_API_KEY: 'sk-other',
    });
    const saved = async () => JSON.parse(await readFile(join(cwd, '.config/onetake/profile.json'), 'utf8'));
    const piped = await begin(['login'], `${KEY}\n`).ended;
    expect(piped).toMatchObject({ code: 0, stdout: '' });
    expect(piped.stderr).toContain(`${t.gateway.address} and the key from standard input`);
    expect(piped.stderr).toContain(
      'ONETAKE_API_KEY is set to something else, which goes before what is saved',
    );
    expect(await saved()).toEqual({ url: t.gateway.address, api_key: KEY });

    const other = await serve((_request, response) => void response.writeHead(401).end('{}'));
    expect(await begin(['login', '--url', other.origin], 'sk-piped').ended).toMatchObject({ code: 2 });
    expect(other.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer sk-piped']);

    const given = await begin(['login', '--api-key', KEY], 'sk-piped').ended;
    expect(given.stderr).toContain('and the key of --api-key');
    const emptyPipe = await run('login');
    expect(emptyPipe).toMatchObject({ code: 2, stderr: expect.stringMatching(/does not exist/) });
  });

  it('ends at Ctrl-C while it waits for the key of a pipe', async () => {
    const { cwd } = await shellIn({});
    const { child, says, ended } = runOnetake(['login'], { cwd, env: { HOME: cwd, ...env() } });
    await says(/Reading the API key from standard input/);
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 130 });
  });

  it('saves no key that the gateway refuses, and follows XDG_CONFIG_HOME', async () => {
    const { cwd, begin } = await shellIn({ ONETAKE_URL: t.gateway.address });
    expect(await begin(['login'], 'sk-wrong').ended).toMatchObject({ code: 2 });
    await expect(stat(join(cwd, '.config'))).rejects.toThrow('ENOENT');
    const elsewhere = await shellIn({ ...env(), XDG_CONFIG_HOME: join(cwd, 'mine') });
    const login = await elsewhere.run('login');
    expect(login).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('and the key of ONETAKE_API_KEY'),
    });
    expect(login.stderr).not.toContain('something else');
    expect(JSON.parse(await readFile(join(cwd, 'mine/onetake/profile.json'), 'utf8'))).toEqual({
      url: t.gateway.address,
      api_key: KEY,
    });
  });
});

it('onetake webhooks listen refuses events that there are not, before it shows a secret', async () => {
  const { run } = await shellIn(env());
  const forward = ['webhooks', 'listen', '--forward', 'http://127.0.0.1:1/'] as const;
  const { code, stderr } = await run(...forward, '--events', 'video.succeeded,foo');
  expect([code, stderr]).toEqual([
    2,
    expect.stringMatching(
      /^--events takes video\.started, video\.succeeded and video\.failed, separated by commas; there is no "foo"\.\n/,
    ),
  ]);
  expect(stderr).not.toContain('whsec_');
});

it('onetake list says that there are more tasks than it shows', async () => {
  for (let count = 0; count < 2; count++) await t.finished();
  const { run } = await shellIn(env());
  const one = await run('list', '--limit', '1');
  expect(one.stdout.trim().split('\n')).toHaveLength(1);
  expect(one.stderr).toBe('There are more than the newest 1: --limit 5 shows up to 5.\n');
  expect(await run('list', '--limit', '100')).toMatchObject({ code: 0, stderr: '' });
});

it('onetake webhooks listen sends events to a local server, which verifies them as webhooks', async () => {
  const { body } = await t.json('/v1/webhook_secret');
  const arrived: { type: string; data: { task_id: string } }[] = [];
  const both = Promise.withResolvers<void>();
  const receiver = await serve(async (request, response) => {
    const event = new Webhook(body.secret).verify(
      await text(request),
      request.headers as Record<string, string>,
    );
    arrived.push(event as (typeof arrived)[number]);
    response.writeHead(204).end();
    if (arrived.length === 2) both.resolve();
  });
  const { begin } = await shellIn(env());
  const listening = begin(['webhooks', 'listen', '--forward', `${receiver.origin}/hook?a=1`]);
  await listening.says(/Listening/);
  const { task_id: id } = await t.finished();
  await both.promise;
  expect(arrived.map(({ type, data }) => [type, data.task_id])).toEqual([
    ['video.started', id],
    ['video.succeeded', id],
  ]);
  expect(receiver.requests.map(({ url }) => url)).toEqual(['/hook?a=1', '/hook?a=1']);
  listening.child.kill('SIGINT');
  const { code, stdout } = await listening.ended;
  expect(code).toBe(130);
  expect(stdout).toMatch(new RegExp(`^video\\.started {2}${id} {2}204 in \\d+ ms\n`));
});

it.each([
  ['/v1/video/generations', 'task_id', ['video.started', 'video.succeeded']],
  ['/v1/videos', 'id', ['video.started', 'video.completed']],
])(
  'onetake webhooks listen sends what the webhooks of a video of %s would be',
  async (path, idMember, types) => {
    const arrived: { url: string | undefined; headers: Record<string, unknown>; body: Told }[] = [];
    const all = Promise.withResolvers<void>();
    const receiver = await serve(async (request, response) => {
      const { url, headers } = request;
      arrived.push({ url, headers, body: JSON.parse(await text(request)) });
      response.writeHead(204).end();
      if (arrived.length === 2 * types.length) all.resolve();
    });
    const post = { method: 'POST', headers: { 'content-type': 'application/json' } };
    const { body: endpoint } = await t.json('/v1/webhook_endpoints', {
      ...post,
      body: JSON.stringify({ url: `${receiver.origin}/webhook` }),
    });
    const { begin } = await shellIn(env());
    const forward = ['--forward', `${receiver.origin}/listen`, '--secret', endpoint.secret];
    const listening = begin(['webhooks', 'listen', ...forward]);
    await listening.says(/Listening/);
    const { body: video } = await t.json(path, {
      ...post,
      body: JSON.stringify({ model: 'onetake-preview', prompt: 'a fox', seconds: '1' }),
    });
    await all.promise;
    await t.json(`/v1/webhook_endpoints/${endpoint.id}`, { method: 'DELETE' });
    const [webhooks, forwarded] = ['/webhook', '/listen'].map((to) =>
      arrived
        .filter(({ url }) => url === to)
        .map(({ headers, body }) => ({
          ...message(headers),
          body: { ...body, data: { ...body.data, ...LINKS } },
        }))
        .sort((a, b) => order(a.body.type) - order(b.body.type)),
    );
    expect(webhooks?.map(({ body }) => body.type)).toEqual(types);
    expect(webhooks?.[1]?.body.data).toMatchObject({ [idMember]: video[idMember] });
    expect(forwarded).toEqual(webhooks);
  },
);

interface Told {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const order = (type: string): number => (type === 'video.started' ? 0 : 1);
/** Links are signed anew each time. */
const LINKS = { url: undefined, thumbnail_url: undefined };
/** Without what differs from one try to the next. */
const message = ({
  'webhook-timestamp': at,
  'webhook-signature': signature,
  ...headers
}: Record<string, unknown>) => ({
  headers,
  isSigned: typeof at === 'string' && String(signature).startsWith('v1,'),
});

describe('onetake completion', () => {
  it.each(SHELLS)('%s: has every command and option', (shell) => {
    const script = completionScript(createProgram(), shell, ['model-1']);
    expect(script).toContain('model-1');
    const program = createProgram();
    for (const command of program.commands) {
      if (command.name() !== 'version') expect(script).toContain(command.name());
      for (const { long } of command.options) expect(script).toContain(long?.slice(2));
    }
  });

  it('is a script that bash understands, and that completes', async () => {
    const { cwd, run } = await shellIn({});
    const bash = async (script: string) =>
      (await promisify(execFile)('bash', ['-c', script], { cwd })).stdout;
    for (const shell of ['bash', 'zsh']) {
      const { code, stdout } = await run('completion', shell);
      expect(code).toBe(0);
      await writeFile(join(cwd, shell), stdout);
      expect(await bash(`bash -n ${shell}`)).toBe('');
    }
    const complete = async (...words: string[]) => {
      const list = words.map((word) => `'${word}'`).join(' ');
      const script = `source ./bash; COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _onetake; echo "\${COMPREPLY[@]}"`;
      return (await bash(script)).trim().split(' ');
    };
    expect(await complete('onetake', 'gen')).toEqual(['generate']);
    expect(await complete('onetake', 'keys', '')).toEqual(
      expect.arrayContaining(['create', 'list', 'revoke']),
    );
    expect(await complete('onetake', 'generate', 'a fox', '--res')).toEqual(['--resolution']);
    expect(await complete('onetake', 'list', '--status', 's')).toEqual(['succeeded']);
    expect(await complete('onetake', 'generate', 'a fox', '-o', '')).toEqual(['']);
    expect(await complete('onetake', 'generate', 'a fox', '-m', 'onetake-')).toEqual(['onetake-preview']);
    expect(await complete('onetake', 'models', 'onetake-')).toEqual(['onetake-preview']);
    expect(await run('completion', 'bsh')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/bash, zsh, fish/),
    });
  });
});
