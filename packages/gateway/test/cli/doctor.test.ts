import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startSimulators } from '@onetake/simulators';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { BACKUP, markFolder } from '../../src/store/folder/marks.ts';
import { migratePostgres } from '../../src/store/postgres/migrations.ts';
import { migrateSqlite } from '../../src/store/sqlite/migrations.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { startTestGateway } from '../support/gateway.ts';
import { onetake } from '../support/processes/commandLine.ts';
import { bucketSettings, closeBuckets, freshBucket } from '../support/servers/bucket.ts';
import { freshDatabase } from '../support/servers/database.ts';
import { serve } from '../support/servers/httpServer.ts';
import { tempFolder } from '../support/tempFolder.ts';

afterAll(closeBuckets);

const PUBLIC = { ONETAKE_PUBLIC_URL: 'https://video.example.com' };
const NOWHERE = 'http://127.0.0.1:1';

/** What the command says, by what it is about, and its exit code. */
async function examined(env: Readonly<Record<string, string>>) {
  const { code, stdout, stderr } = await onetake(env, 'doctor', '--json');
  expect(stderr).toBe('');
  const { ok, findings } = JSON.parse(stdout) as {
    ok: boolean;
    findings: { about: string; state: string; text: string }[];
  };
  expect(code).toBe(ok ? 0 : 1);
  return { code, stdout, lines: findings.map(({ about, state, text }) => `${state}: ${about}: ${text}`) };
}

/** A simulator of each service that has callbacks, and the variables of an account there. */
async function simulated() {
  const simulators = await startSimulators({ only: ['openai', 'ark'], limits: false });
  onTestFinished(() => simulators.close());
  const { urls, keys } = simulators;
  const env = {
    OPENAI_API_KEY: keys.openai ?? '',
    OPENAI_BASE_URL: `${urls.openai}/v1`,
    ARK_API_KEY: keys.ark ?? '',
    ARK_BASE_URL: `${urls.ark}/api/v3`,
  };
  return { simulators, env };
}

/** A settings file with an account of OpenAI itself, at this address. */
async function openaiAccount(baseUrl: string): Promise<string> {
  const path = join(await tempFolder(), 'onetake.yaml');
  const account = `{provider: openai, flavour: openai, base_url: '${baseUrl}', api_key: {env: OPENAI_API_KEY}}`;
  writeFileSync(path, `accounts: {ours: ${account}}`);
  return path;
}

/** A service that answers with this time, and the variables of an account there. */
async function serviceAt(date: string | undefined) {
  const service = await serve((_request, response) => {
    response.sendDate = false;
    if (date !== undefined) response.setHeader('date', date);
    response.writeHead(404).end();
  });
  return { service, env: { DASHSCOPE_API_KEY: 'sk-of-the-test', DASHSCOPE_BASE_URL: service.origin } };
}

describe('a set-up that works', () => {
  it('has every part found good, and nothing in it is changed or shown', async () => {
    const dataDir = await tempFolder();
    await migrateSqlite(dataDir);
    const before = readdirSync(dataDir);
    const { env, simulators } = await simulated();
    const secrets = { ...env, OPENAI_WEBHOOK_SECRET: 'whsec_c2VjcmV0b2Z0aGV0ZXN0' };
    const settings = { ONETAKE_DATA_DIR: dataDir, ...PUBLIC, ...secrets };
    const { lines, stdout } = await examined(settings);
    expect(lines).toEqual([
      'ok: settings: Valid; the secrets that accounts name are there.',
      `ok: data folder: ${dataDir} can be written.`,
      'ok: store: Can be written.',
      expect.stringMatching(/^ok: public URL: https:\/\/video\.example\.com/),
      expect.stringMatching(
        /^ok: account openai: It serves sora-2 and sora-2-pro\. 8 tasks .*tracking balanced/,
      ),
      'ok: account openai: Callbacks are verified at https://video.example.com/callbacks/openai.',
      "ok: account openai: The provider answers; its clock agrees with this machine's.",
      'ok: account openai: No refusal of the credentials was seen. Not every provider can be asked without making a video: the first task shows it.',
      expect.stringMatching(/^ok: account ark: It serves seedance-2\.5/),
      'ok: account ark: Callbacks are verified at https://video.example.com/callbacks/ark.',
      expect.stringMatching(/^ok: account ark: The provider answers/),
      'ok: account ark: No refusal of the credentials was seen. Not every provider can be asked without making a video: the first task shows it.',
    ]);
    expect(readdirSync(dataDir)).toEqual(before);
    for (const secret of [env.OPENAI_API_KEY, env.ARK_API_KEY, 'whsec_'])
      expect(stdout).not.toContain(secret);
    expect(simulators.upstreams.flatMap(({ jobs }) => [...jobs.all()])).toEqual([]);

    const { code, stdout: text } = await onetake(settings, 'doctor');
    expect(code).toBe(0);
    expect(text.split('\n')[1]).toBe(`ok       data folder     ${dataDir} can be written.`);
  });

  it('may never have been started, and the command does not make its folder', async () => {
    const parent = await tempFolder();
    const { code, lines } = await examined({ ONETAKE_DATA_DIR: join(parent, 'data') });
    expect(code).toBe(0);
    expect(lines).toContain(`ok: data folder: ${join(parent, 'data')} will be made by the first start.`);
    expect(lines).toContain('ok: store: Will be made by the first start.');
    expect(lines).toContainEqual(expect.stringMatching(/^advice: accounts: None/));
    expect(readdirSync(parent)).toEqual([]);
  });

  it('is told how to set up callbacks that it lacks', async () => {
    const { env } = await simulated();
    const settings = { ONETAKE_DATA_DIR: await tempFolder(), ...env };
    const { code, lines } = await examined(settings);
    expect(code).toBe(0);
    expect(lines).toContainEqual(expect.stringMatching(/^advice: public URL: .*set ONETAKE_PUBLIC_URL/));
    expect(lines).toContainEqual(
      expect.stringMatching(/^advice: account ark: .*polled: set ONETAKE_PUBLIC_URL \(/),
    );
    const ofOpenai = { ONETAKE_CONFIG: await openaiAccount(env.OPENAI_BASE_URL) };
    expect((await examined({ ...settings, ...PUBLIC, ...ofOpenai })).lines).toContainEqual(
      expect.stringMatching(
        /^advice: account ours: .*add a webhook for video\.completed and video\.failed to https:\/\/video\.example\.com\/callbacks\/ours/,
      ),
    );
    const local = await examined({ ...settings, ONETAKE_PUBLIC_URL: 'http://192.168.1.5:8787' });
    expect(local.lines).toContainEqual(expect.stringMatching(/^advice: public URL: .*not on the internet/));
  });

  it('is not advised to set up callbacks of a server that has none', async () => {
    const { env } = await simulated();
    const settings = { ONETAKE_DATA_DIR: await tempFolder(), ...env };
    for (const more of [{}, PUBLIC])
      expect((await examined({ ...settings, ...more })).lines).toContain(
        'ok: account openai: Its server is not known to call back, so its jobs are polled (docs/callbacks.md).',
      );
  });

  it('is told which variables no account uses', async () => {
    const { lines } = await examined({ ONETAKE_DATA_DIR: await tempFolder(), OPENAI_BASE_URL: NOWHERE });
    expect(lines).toContainEqual(
      expect.stringMatching(/^advice: environment: OPENAI_BASE_URL is set but not used: .*\(docs/),
    );
  });

  it('may be of PostgreSQL and a bucket', async () => {
    const databaseUrl = await freshDatabase();
    const settings = {
      ONETAKE_DATA_DIR: await tempFolder(),
      ONETAKE_DATABASE_URL: databaseUrl,
      ...bucketSettings(await freshBucket()),
    };
    expect((await examined(settings)).lines).toContainEqual(
      expect.stringMatching(/^advice: database: Can be read\. The next start applies 0001_initial/),
    );
    await migratePostgres(databaseUrl);
    const { code, lines } = await examined(settings);
    expect(code).toBe(0);
    expect(lines).toContain('ok: database: Can be written.');
    expect(lines).toContainEqual(expect.stringMatching(/^ok: bucket: .* can be written/));
  });
});

it('beside a running gateway, its folder is left to it, and blocked accounts are found', async () => {
  const { env } = await serviceAt(new Date().toUTCString());
  const dataDir = await tempFolder();
  const running = await startTestGateway(env, { dataDir });
  onTestFinished(() => running.end());
  const settings = { ONETAKE_DATA_DIR: dataDir, ...env };
  const good = await examined(settings);
  expect(good.code).toBe(0);
  expect(good.lines).toContainEqual(
    expect.stringContaining(`ok: data folder: A gateway (process ${process.pid}) runs on ${dataDir}`),
  );
  expect(good.lines).toContain('ok: store: Can be read; writing is left to the running gateway.');

  const store = await openSqliteStore({ dir: dataDir, exclusive: false });
  await store.reportTrouble('dashscope', { failures: 1, waitMs: 300_000, reason: 'auth_failed' });
  await store.close();
  const { code, lines } = await examined(settings);
  expect(code).toBe(1);
  expect(lines).toContainEqual(
    expect.stringMatching(/^problem: account dashscope: It is blocked: .*\(auth_failed\)/),
  );
  expect((await running.json('/readyz')).status).toBe(200);
});

describe('what is wrong is found, with what to do:', () => {
  it('all settings at once', async () => {
    const { code, lines } = await examined({ ONETAKE_PORT: 'http', ONETAKE_S3_REGION: 'x' });
    expect(code).toBe(1);
    expect(lines).toEqual([
      expect.stringMatching(/^problem: settings: ONETAKE_PORT: must be a whole number/),
      'problem: settings: ONETAKE_S3_REGION: needs ONETAKE_S3_BUCKET.',
    ]);
  });

  it('a folder that cannot be used, or must not be', async () => {
    const folder = await tempFolder();
    const file = join(folder, 'file');
    writeFileSync(file, '');
    expect((await examined({ ONETAKE_DATA_DIR: join(file, 'data') })).lines).toContainEqual(
      expect.stringMatching(/^problem: data folder: .*a file is in its place.*set ONETAKE_DATA_DIR/),
    );
    markFolder(folder, BACKUP, 'a backup');
    expect((await examined({ ONETAKE_DATA_DIR: folder })).lines).toContainEqual(
      expect.stringMatching(/^problem: data folder: .*is a backup: run .*onetake recover/),
    );
  });

  it('a database and a bucket that do not answer, without their passwords', async () => {
    const { stdout, lines, code } = await examined({
      ONETAKE_DATA_DIR: await tempFolder(),
      ONETAKE_DATABASE_URL: 'postgres://onetake:a-password@127.0.0.1:1/onetake',
      ...bucketSettings({
        bucket: 'videos',
        endpoint: NOWHERE,
        credentials: { accessKeyId: 'an-id', secretAccessKey: 'another-password' },
      }),
    });
    expect(code).toBe(1);
    expect(lines).toContainEqual(expect.stringMatching(/^problem: database: .*127\.0\.0\.1/));
    expect(lines).toContainEqual(expect.stringMatching(/^problem: bucket: .*ONETAKE_S3/));
    expect(stdout).not.toContain('password');
  });

  it('a provider that does not answer, tells no time, or has another time', async () => {
    const settings = { ONETAKE_DATA_DIR: await tempFolder() };
    const unreachable = { DASHSCOPE_API_KEY: 'sk-of-the-test', DASHSCOPE_BASE_URL: NOWHERE };
    expect((await examined({ ...settings, ...unreachable })).lines).toContainEqual(
      expect.stringMatching(/^problem: account dashscope: The provider does not answer \(ECONNREFUSED\)/),
    );
    const { env: silent } = await serviceAt(undefined);
    expect((await examined({ ...settings, ...silent })).lines).toContainEqual(
      expect.stringMatching(/^advice: account dashscope: The provider answers without its time/),
    );
    const { env, service } = await serviceAt(new Date(Date.now() + 120_000).toUTCString());
    const { lines } = await examined({ ...settings, ...env });
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^advice: account dashscope: The clock of the provider is \d+\.\d s ahead of that of this machine/,
      ),
    );
    expect(service.requests.map(({ method, headers }) => [method, headers.authorization])).toEqual([
      ['HEAD', undefined],
      ['GET', 'Bearer sk-of-the-test'],
    ]);
  });

  it.each([
    ['openai', 'OPENAI_API_KEY'],
    ['dashscope', 'DASHSCOPE_API_KEY'],
    ['ark', 'ARK_API_KEY'],
    ['runway', 'RUNWAYML_API_SECRET'],
    ['gemini', 'GEMINI_API_KEY'],
  ])('a key that %s refuses, and makes nothing there', async (service, key) => {
    const simulators = await startSimulators({ only: [service], limits: false });
    onTestFinished(() => simulators.close());
    const env = { ONETAKE_DATA_DIR: await tempFolder(), ...simulators.environment };
    const accepted = await examined(env);
    expect(accepted.lines).toContainEqual(
      expect.stringMatching(/^ok: account .*: No refusal of the credentials was seen/),
    );
    const { code, lines } = await examined({ ...env, [key]: 'sk-wrong' });
    expect(code).toBe(1);
    expect(lines).toContainEqual(
      expect.stringMatching(/^problem: account .*: The provider refuses the credentials \(.*: check the key/),
    );
    expect(simulators.upstreams.flatMap(({ jobs }) => [...jobs.all()])).toEqual([]);
  });
});
