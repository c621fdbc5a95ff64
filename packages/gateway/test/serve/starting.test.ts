import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { migratePostgres } from '../../src/store/postgres/migrations.ts';
import { startTestGateway } from '../support/gateway.ts';
import { connect, freshDatabase } from '../support/servers/database.ts';
import { tempFolder } from '../support/tempFolder.ts';

/** A port in use. */
async function takenPort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('not listening');
  return String(address.port);
}

it.each<[string, () => Promise<Record<string, string>>, object]>([
  [
    'the port is in use',
    async () => ({ ONETAKE_PORT: await takenPort() }),
    { code: 'cannot_listen', message: expect.stringMatching(/EADDRINUSE.*ONETAKE_HOST and ONETAKE_PORT/) },
  ],
  [
    'the bootstrap key is too short',
    async () => ({ ONETAKE_BOOTSTRAP_KEY: 'sk-short' }),
    { code: 'invalid_settings', message: expect.stringContaining('ONETAKE_BOOTSTRAP_KEY') },
  ],
])('a start that fails because %s leaves the data folder free', async (_why, settings, refusal) => {
  const dataDir = await tempFolder();
  await expect(startTestGateway(await settings(), { dataDir })).rejects.toMatchObject(refusal);
  const t = await startTestGateway({}, { dataDir });
  onTestFinished(() => t.end());
  expect((await t.json('/readyz')).body.status).toBe('ready');
});

it('a node that serves goes on if it cannot tell any more whether there is a key', async () => {
  const url = await freshDatabase();
  await migratePostgres(url);
  const client = await connect(url);
  // Keys can be written, and not be read.
  await client.query('alter table keys rename to all_keys');
  await client.query('create view keys as select * from all_keys where 1 / (length(id) - length(id)) = 1');
  const t = await startTestGateway({ ONETAKE_DATABASE_URL: url });
  onTestFinished(() => t.end());
  expect(t.gateway.firstKey).toBeUndefined();
  expect(t.log.join('')).toContain('keys.first_unknown');
  expect((await fetch(`${t.gateway.address}/healthz`)).status).toBe(200);
});

it.each<[string, string, RegExp]>([
  ['is a file', '.', /EEXIST.*ONETAKE_DATA_DIR/],
  ['does not let its lock be written', 'owner.lock', /SQLITE_CANTOPEN.*ONETAKE_DATA_DIR/],
])('a data folder that %s is reported with the setting to change', async (_what, place, message) => {
  const dataDir = join(await tempFolder(), 'data');
  if (place === '.') await writeFile(dataDir, '');
  else await mkdir(join(dataDir, place), { recursive: true });
  await expect(startTestGateway({}, { dataDir })).rejects.toMatchObject({
    code: 'data_dir_unusable',
    message: expect.stringMatching(message),
  });
});

it('variables of providers that no account uses are logged by a start', async () => {
  const file = 'accounts: { mine: { provider: ark, api_key: { env: MY_KEY } } }';
  const t = await startTestGateway({ MY_KEY: 'mine', ARK_API_KEY: 'theirs' }, { file });
  await t.end();
  const lines = t.log
    .map((line) => JSON.parse(line))
    .filter(({ event }) => event === 'config.variable_unused');
  expect(lines).toEqual([
    expect.objectContaining({
      level: 'warn',
      variables: ['ARK_API_KEY'],
      msg: expect.stringContaining('ark: { provider: ark, api_key: { env: ARK_API_KEY } }'),
    }),
  ]);
});

/** The events of every line that a start and a stop log. */
async function loggedEvents(settings: Record<string, string>): Promise<unknown[]> {
  const t = await startTestGateway(settings);
  await t.end();
  return t.log.map((line) => JSON.parse(line).event);
}

it('each line that a start and a stop log names its event', async () => {
  const events = await loggedEvents({});
  expect(events).toContain('gateway.listening');
  expect(events).not.toContain(undefined);
});

it.each([
  ['127.0.0.1', {}, ['config.no_public_url', 'config.loopback_host']],
  ['localhost', { ONETAKE_PUBLIC_URL: 'https://video.example.com' }, ['config.loopback_host']],
  ['0.0.0.0', { ONETAKE_PUBLIC_URL: 'https://video.example.com' }, []],
])('a node of several on %s with %j logs %j', async (host, settings, expected) => {
  const url = await freshDatabase();
  const events = await loggedEvents({ ONETAKE_DATABASE_URL: url, ONETAKE_HOST: host, ...settings });
  expect(events).toContain('lease.acquired');
  // The password of the test database may be a word.
  const told = events.filter(
    (event) => String(event).startsWith('config.') && event !== 'config.weak_secret',
  );
  expect(told).toEqual(expected);
});

it('a start warns about keys that the log cannot blank, and not about others', async () => {
  expect(await loggedEvents({ ARK_API_KEY: 'production' })).toContain('config.weak_secret');
  expect(await loggedEvents({ ARK_API_KEY: 'a1b2c3d4' })).not.toContain('config.weak_secret');
});

it('a single gateway on 127.0.0.1 warns about nothing', async () => {
  expect(await loggedEvents({ ONETAKE_HOST: '127.0.0.1' })).not.toContain('config.loopback_host');
});

it('a start warns about the key of a service that has ended its models, and not about others', async () => {
  expect(await loggedEvents({ OPENAI_API_KEY: 'k' })).toContain('account.serves_nothing');
  expect(await loggedEvents({ ARK_API_KEY: 'k' })).not.toContain('account.serves_nothing');
});
