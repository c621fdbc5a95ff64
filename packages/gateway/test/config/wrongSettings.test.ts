import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { checkConfig } from '../../src/config/config.ts';
import { onetake } from '../support/processes/commandLine.ts';
import { tempFolder } from '../support/tempFolder.ts';

/** A database that must not be contacted; it counts connections. */
async function untouchedDatabase(): Promise<{ url: string; asked(): number }> {
  let asked = 0;
  const server = createServer((socket) => {
    asked += 1;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('not listening');
  return { url: `postgres://onetake@127.0.0.1:${address.port}/onetake`, asked: () => asked };
}

interface Wrong {
  readonly env?: Readonly<Record<string, string>>;
  /** onetake.yaml */
  readonly file?: object;
  readonly told: RegExp;
}

/** One of each kind. */
const WRONG: Readonly<Record<string, Wrong>> = {
  'a value': { env: { ONETAKE_PORT: 'http' }, told: /ONETAKE_PORT: must be a whole number/ },
  'the unit in a name': {
    env: { ONETAKE_TASK_RETENTION_HOURS: '100' },
    told: /ONETAKE_TASK_RETENTION_HOURS: .*did you mean ONETAKE_TASK_RETENTION_DAYS/,
  },
  'a name': { env: { ONETAKE_PROT: '1' }, told: /ONETAKE_PROT: .*did you mean ONETAKE_PORT/ },
  'a name in the file': { file: { hots: '::1' }, told: /no setting "hots"; did you mean host/ },
  'an address': { env: { ONETAKE_PUBLIC_URL: 'example.com' }, told: /ONETAKE_PUBLIC_URL: must be an http/ },
  'a number out of its range': {
    env: { ONETAKE_MAX_ATTEMPTS: '101' },
    told: /ONETAKE_MAX_ATTEMPTS: must be at most 100\./,
  },
  'a word that is not allowed': {
    env: { ONETAKE_LOG_LEVEL: 'loud' },
    told: /ONETAKE_LOG_LEVEL: must be trace, debug/,
  },
  'a host with a port': {
    env: { ONETAKE_HOST: 'localhost:80' },
    told: /ONETAKE_HOST: must be only an address or a host name/,
  },
  'a proxy': {
    env: { ONETAKE_HTTPS_PROXY: 'socks5://127.0.0.1' },
    told: /ONETAKE_HTTPS_PROXY: must be the URL of an HTTP proxy/,
  },
  'what needs no proxy': {
    env: { ONETAKE_NO_PROXY: '10.0.0.0/99' },
    told: /ONETAKE_NO_PROXY: must be hosts/,
  },
  'a certificate of the database': {
    env: { ONETAKE_DATABASE_SESSION_URL: 'postgres://127.0.0.1/x?sslmode=verify-full&sslrootcert=/no/file' },
    told: /ONETAKE_DATABASE_SESSION_URL: names the file \/no\/file as sslrootcert, which cannot be read/,
  },
  'two that go together': {
    env: { ONETAKE_S3_ACCESS_KEY_ID: 'key' },
    told: /ONETAKE_S3_ACCESS_KEY_ID and ONETAKE_S3_SECRET_ACCESS_KEY: set both/,
  },
  'one that needs another': {
    env: { ONETAKE_MEDIA_LINKS: 'bucket' },
    told: /MEDIA_LINKS: .*needs ONETAKE_S3_BUCKET/,
  },
  'several workers without what they share': {
    env: { ONETAKE_WORKERS: 'auto' },
    told: /ONETAKE_WORKERS: .*set ONETAKE_DATABASE_URL and ONETAKE_S3_BUCKET, or leave ONETAKE_WORKERS out/,
  },
  'an endpoint without a bucket': {
    env: { ONETAKE_S3_ENDPOINT: 'http://minio:9000' },
    told: /ONETAKE_S3_ENDPOINT: needs ONETAKE_S3_BUCKET/,
  },
  'an item of a list': {
    env: { ONETAKE_ALLOW_PRIVATE_HOSTS: 'media.internal,10.0.0.0/99' },
    told: /ONETAKE_ALLOW_PRIVATE_HOSTS: "10\.0\.0\.0\/99" is not/,
  },
  'an entry of the catalogue': {
    file: { models: { 'sora-2': { typical: { medianSeconds: -1, p90Seconds: 2 } } } },
    told: /models\.sora-2: typical/,
  },
  'an entry of the catalogue that contradicts itself': {
    file: { models: { 'onetake-preview': { typical: { medianSeconds: 3, p90Seconds: 2 } } } },
    told: /models\.onetake-preview: typical: p90Seconds is less/,
  },
  'an account': {
    file: { accounts: { mine: { provider: 'nobody' } } },
    told: /accounts\.mine\.provider: must be one of/,
  },
  'an account that is not a mapping': {
    file: { accounts: { five: 5 } },
    told: /accounts\.five: must be a mapping/,
  },
  'the name of an account': {
    file: { accounts: { preview: { provider: 'openai', api_key: { env: 'PATH' } } } },
    told: /accounts\.preview: this is the name of the built-in renderer/,
  },
  'a secret of an account': {
    file: { accounts: { ours: { provider: 'openai', api_key: { env: 'NOT_SET' } } } },
    told: /accounts\.ours\.api_key: the environment variable NOT_SET is not set/,
  },
  'a model of an account': {
    file: { accounts: { that: { provider: 'openai', base_url: 'http://127.0.0.1:1', models: ['sora-3'] } } },
    told: /does not have: sora-3/,
  },
  'a package of an account': {
    file: {
      accounts: {
        other: {
          provider: 'ai-sdk',
          package: '@ai-sdk/none',
          factory: 'createNone',
          api_key: { env: 'PATH' },
        },
      },
    },
    told: /accounts\.other.*npm install @ai-sdk\/none/,
  },
  'an export of a package': {
    file: {
      accounts: {
        grok: { provider: 'ai-sdk', package: '@ai-sdk/xai', factory: 'createNone', api_key: { env: 'PATH' } },
      },
    },
    told: /@ai-sdk\/xai of the account grok has no export createNone/,
  },
  'the port of a database': {
    env: { ONETAKE_DATABASE_URL: 'postgres://127.0.0.1:0/db' },
    told: /ONETAKE_DATABASE_URL: has port 0; leave it out for 5432/,
  },
  'a bucket': { env: { ONETAKE_S3_BUCKET: 'a..b' }, told: /ONETAKE_S3_BUCKET: must be the name of a bucket/ },
  'a region': { env: { ONETAKE_S3_REGION: '-' }, told: /ONETAKE_S3_REGION: must be the name of a region/ },
  'the location of an account': {
    file: { accounts: { place: { provider: 'google', project: 'p', location: 'us:central' } } },
    told: /accounts\.place\.location: must be a location .*such as us-central1/,
  },
  'the credentials of an account': {
    file: { accounts: { veo: { provider: 'google', project: 'p', credentials_file: '/nope/key.json' } } },
    told: /accounts\.veo\.credentials_file .*: \/nope\/key\.json cannot be read \(ENOENT\); name a file/,
  },
  'the base URL of an account': {
    file: { accounts: { query: { provider: 'openai', base_url: 'http://127.0.0.1:1/v1?api-version=1' } } },
    told: /accounts\.query\.base_url: must be a URL without .*a query/,
  },
  'a secret that no header can carry': {
    env: { BROKEN_KEY: 'sk-one\nsk-two' },
    file: { accounts: { broken: { provider: 'ark', api_key: { env: 'BROKEN_KEY' } } } },
    told: /accounts\.broken\.api_key: the environment variable BROKEN_KEY has a line break/,
  },
  'a webhook secret': {
    env: { BROKEN_HOOK: 'whsec_!!!' },
    file: {
      accounts: {
        hook: { provider: 'openai', base_url: 'http://127.0.0.1:1', webhook_secret: { env: 'BROKEN_HOOK' } },
      },
    },
    told: /accounts\.hook\.webhook_secret: .*whsec_ must be followed by base64/,
  },
  'the name of a header': {
    file: {
      accounts: {
        header: {
          provider: 'ai-sdk',
          package: '@ai-sdk/xai',
          api_key: { env: 'PATH' },
          headers: { 'bad header': 'x' },
        },
      },
    },
    told: /accounts\.header\.headers: "bad header" is not the name of an HTTP header/,
  },
};

/** `onetake serve` with these settings; its output, after a check that nothing was created or contacted. */
async function refused(
  env: Readonly<Record<string, string>>,
  file: object,
  command: readonly string[] = ['serve'],
): Promise<string> {
  const folder = await tempFolder();
  const config = join(folder, 'onetake.yaml');
  const dataDir = join(folder, 'data');
  // JSON is YAML.
  writeFileSync(config, JSON.stringify(file));
  const database = await untouchedDatabase();
  const { code, stdout, stderr } = await onetake(
    { ONETAKE_CONFIG: config, ONETAKE_DATA_DIR: dataDir, DATABASE_URL: database.url, ...env },
    ...command,
  );
  expect(code, stderr).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(existsSync(dataDir)).toBe(false);
  expect(database.asked()).toBe(0);
  return stderr;
}

describe('a wrong setting', () => {
  it.each(Object.entries(WRONG))(
    '%s: is found by reading only the settings',
    async (_kind, { env = {}, file = {}, told }) => {
      const readFile = (path: string) => (path === 'onetake.yaml' ? JSON.stringify(file) : undefined);
      await expect(checkConfig({ PATH: process.env.PATH, ...env }, readFile)).rejects.toThrow(told);
    },
  );

  it.each([
    'keys list',
    'keys create --name x',
    'accounts list',
    'migrate',
    'recover',
    'backup --to b',
    'import --from .',
  ])('is also reported by onetake %s, with all others', async (command) => {
    const wrong = { ONETAKE_MEDIA_LINKS: 'bucket', ONETAKE_MAX_ATTEMPTS: '101' };
    const said = await refused(wrong, { accounts: { five: 5 } }, command.split(' '));
    for (const told of [/ONETAKE_MEDIA_LINKS/, /ONETAKE_MAX_ATTEMPTS/, /accounts\.five/])
      expect(said).toMatch(told);
  });

  it.each(['0', '257', '1.5', 'all'])('of ONETAKE_WORKERS=%s names both forms', async (given) => {
    expect(await refused({ ONETAKE_WORKERS: given }, {})).toMatch(
      /ONETAKE_WORKERS: must be a whole number .*auto/,
    );
  });

  it('of a bucket without any region is reported before the bucket is contacted', async () => {
    const folder = await tempFolder();
    const env = { ONETAKE_S3_BUCKET: 'videos', AWS_CONFIG_FILE: join(folder, 'none'), HOME: folder };
    expect(await refused(env, {})).toMatch(/ONETAKE_S3_REGION: is missing/);
  });

  it('is not reported for a region that the AWS SDK finds by itself, or that another server does not need', async () => {
    const nothing = () => undefined;
    vi.stubEnv('AWS_REGION', 'eu-central-1');
    onTestFinished(() => void vi.unstubAllEnvs());
    const bucket = { ONETAKE_S3_BUCKET: 'videos' };
    expect(await checkConfig(bucket, nothing)).toMatchObject({ s3Bucket: 'videos' });
    vi.stubEnv('AWS_REGION', '');
    expect(await checkConfig({ ...bucket, ONETAKE_S3_ENDPOINT: 'http://minio:9000' }, nothing)).toBeDefined();
    expect(await checkConfig({ ...bucket, ONETAKE_S3_REGION: 'eu-central-1' }, nothing)).toBeDefined();
  });

  it('of every kind is reported with all others, before anything is created or contacted', async () => {
    const env = Object.assign({}, ...Object.values(WRONG).map((wrong) => wrong.env));
    const files = Object.values(WRONG).map(({ file = {} }) => file as Record<string, object>);
    const merged = (name: string) => Object.assign({}, ...files.map((file) => file[name]));
    const said = await refused(env, {
      ...Object.assign({}, ...files),
      models: merged('models'),
      accounts: merged('accounts'),
    });
    for (const [kind, { told }] of Object.entries(WRONG)) {
      // If one entry is malformed, the entries are not compared; each is reported by itself.
      expect(said, kind).toMatch(told);
    }
  });
});

describe('a missing database in a data folder', () => {
  it.each(['keys list', 'keys revoke some-id', 'accounts list', 'accounts retry'])(
    'is reported by onetake %s, which creates none',
    async (command) => {
      const dataDir = join(await tempFolder(), 'data');
      const { code, stdout, stderr } = await onetake({ ONETAKE_DATA_DIR: dataDir }, ...command.split(' '));
      expect(stderr).toBe(
        `There is no onetake.db in ${dataDir}; set ONETAKE_DATA_DIR to the data folder of the gateway.\n`,
      );
      expect(code).toBe(2);
      expect(stdout).toBe('');
      expect(existsSync(dataDir)).toBe(false);
    },
  );

  it('is created for the first key', async () => {
    const dataDir = join(await tempFolder(), 'data');
    const { code, stdout } = await onetake(
      { ONETAKE_DATA_DIR: dataDir },
      'keys',
      'create',
      '--name',
      'first',
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^sk-/);
    expect((await onetake({ ONETAKE_DATA_DIR: dataDir }, 'keys', 'list')).stdout).toContain('first');
  });
});

describe('an unusable data folder', () => {
  const failed = async (dataDir: string): Promise<string> => {
    const started = performance.now();
    const { code, stderr } = await onetake({ ONETAKE_DATA_DIR: dataDir, ONETAKE_PORT: '0' }, 'serve');
    expect(code, stderr).toBe(1);
    expect(stderr).toMatch(/^The data folder \/\S+ cannot be used .*ONETAKE_DATA_DIR[^\n]*\n$/);
    expect(performance.now() - started).toBeLessThan(20_000);
    return stderr;
  };

  it('is reported if none can be created (/proc), instead of retrying for ever', async () => {
    expect(await failed('/proc/onetake/data')).toContain('/proc/onetake/data');
  });

  it('is reported if a file is in its place', async () => {
    const file = join(await tempFolder(), 'file');
    writeFileSync(file, '');
    expect(await failed(file)).toContain('a file is in its place');
    expect(await failed(join(file, 'data'))).toContain('a file is in its place');
  });

  it('is reported if nothing can be written', async ({ skip }) => {
    const disk = await mounted('ro');
    if (disk === undefined) return skip('no read-only file system can be mounted here: needs root');
    expect(await failed(join(disk, 'data'))).toContain('read-only');
    await failed(disk);
  });

  it('is reported if the disk is full', async ({ skip }) => {
    const disk = await mounted('size=16k');
    if (disk === undefined) return skip('no small disk can be mounted here: needs root');
    expect(await failed(join(disk, 'data'))).toContain('full');
    expect(readdirSync(disk)).toEqual(['data']);
  });
});

async function mounted(options: string): Promise<string | undefined> {
  const disk = join(await tempFolder(), 'disk');
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', disk], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  onTestFinished(() => void execFileSync('umount', ['--lazy', disk]));
  return disk;
}
