import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  checkConfig,
  checkLocalConfig,
  examineConfig,
  readConfig,
  readLocalConfig,
} from '../../src/config/config.ts';
import { SETTINGS, type Setting } from '../../src/config/settings.ts';
import { OnetakeError } from '../../src/tasks/errors.ts';
import { tempFolder } from '../support/tempFolder.ts';

const SECRET = 'sk-config-0123456789abcdef';

const read = (env: NodeJS.ProcessEnv, yaml?: string) =>
  readConfig(env, (path) => (path === (env.ONETAKE_CONFIG || 'onetake.yaml') ? yaml : undefined));

/** The error of a start with these settings. */
function refusal(env: NodeJS.ProcessEnv, yaml?: string): string {
  try {
    read(env, yaml);
  } catch (error) {
    if (error instanceof OnetakeError && error.code === 'invalid_settings') return error.message;
    throw error;
  }
  throw new Error('the settings were taken');
}

describe('a setting', () => {
  it('is taken from the environment, then from the file, then from its default', () => {
    const yaml = 'port: 9000\nhost: 0.0.0.0\n';
    expect(read({ ONETAKE_PORT: '9001' }, yaml)).toMatchObject({
      port: 9001,
      host: '0.0.0.0',
      dataDir: './data',
    });
  });

  it.each<[string, NodeJS.ProcessEnv, string]>([
    ['an empty variable', { ONETAKE_PORT: '' }, 'port: 9000'],
    ['an absent variable', {}, 'port: 9000'],
  ])('%s counts as missing, so that the file is used', (_what, env, yaml) => {
    expect(read(env, yaml).port).toBe(9000);
  });

  it('without a value in the file is not set', () => {
    const config = read({}, 'port:\ndata_dir: ~\npublic_url: ""\nmodels:\n');
    expect(config).toMatchObject({ port: 8787, dataDir: './data', models: {} });
    expect(config).not.toHaveProperty('publicUrl');
  });

  it('without a default may be missing', () => {
    expect(read({})).not.toHaveProperty('bootstrapKey');
  });

  it.each(Object.entries<Setting>(SETTINGS))(
    '%s accepts its own default, which is documented',
    (name, setting) => {
      expect(setting.env).toMatch(/^ONETAKE_[A-Z0-9_]+$/);
      expect(setting.description).toMatch(/\.$/);
      if (setting.default === undefined) return;
      expect(read({ [setting.env]: setting.default })).toHaveProperty(name, Reflect.get(read({}), name));
    },
  );
});

it.each<[string, string, unknown]>([
  ['ONETAKE_PUBLIC_URL', 'https://video.example.com/', 'https://video.example.com'],
  ['ONETAKE_PORT', '0', 0],
  ['ONETAKE_RESUBMIT_UNKNOWN', 'true', true],
  ['ONETAKE_ALLOW_PRIVATE_HOSTS', ' media.internal, 10.0.0.0/8,,', ['media.internal', '10.0.0.0/8']],
  ['ONETAKE_PREVIEW_CONCURRENCY', '0', 0],
])('%s=%s is read as %j, in the environment and in the file', (variable, text, value) => {
  const [name = ''] = Object.entries<Setting>(SETTINGS).find(([, { env }]) => env === variable) ?? [];
  expect(read({ [variable]: text })).toHaveProperty(name, value);
  const line = `${variable.slice('ONETAKE_'.length).toLowerCase()}: ${JSON.stringify(text)}`;
  expect(read({}, line)).toHaveProperty(name, value);
});

it('a list in the file is a list', () => {
  const { allowPrivateHosts } = read({}, 'allow_private_hosts: [media.internal, 10.0.0.0/8]');
  expect(allowPrivateHosts).toEqual(['media.internal', '10.0.0.0/8']);
});

describe('the database', () => {
  const [ours, plain] = ['postgres://ours/db', 'postgresql://plain/db'];

  it.each<[string, NodeJS.ProcessEnv, string, string]>([
    ['our variable', { ONETAKE_DATABASE_URL: ours, DATABASE_URL: plain }, '', ours],
    ['the file', { DATABASE_URL: plain }, `database_url: ${ours}`, ours],
    ['the plain variable', { DATABASE_URL: plain, ONETAKE_DATABASE_URL: '' }, '', plain],
  ])('is that of %s', (_what, env, yaml, url) => {
    expect(read(env, yaml).databaseUrl).toBe(url);
  });

  it('is the embedded one if neither is set', () => {
    expect(read({ DATABASE_URL: '' })).not.toHaveProperty('databaseUrl');
  });

  it('is refused with the name of its variable, and without its password', () => {
    const message = refusal({ DATABASE_URL: `mysql://root:${SECRET}@db/app` });
    expect(message).toMatch(/ DATABASE_URL: must be a URL such as postgres:/);
    expect(message).not.toContain(SECRET);
    expect(refusal({ ONETAKE_DATABASE_SESSION_URL: 'db.internal' })).toMatch(/_SESSION_URL: .*postgres:/);
  });
});

describe('the secrets of a configuration', () => {
  it('are the values of secret settings, the passwords of URLs, and what accounts have read', () => {
    const { secrets } = read(
      {
        ONETAKE_DATABASE_URL: 'postgres://user:p%40ss-word@db:5432/onetake',
        HTTPS_PROXY: 'http://user:proxy-word@proxy:8080',
        ONETAKE_BOOTSTRAP_KEY: SECRET,
        OPENAI_API_KEY: 'upstream-secret',
        OTHER: 'other-secret ',
      },
      'accounts: { mine: { provider: google, api_key: { env: OTHER } } }',
    );
    expect(new Set(secrets)).toEqual(
      new Set(['p%40ss-word', 'p@ss-word', 'proxy-word', SECRET, 'upstream-secret', 'other-secret']),
    );
  });

  it('are the passwords of a database given by words, and not addresses without any', () => {
    const { secrets } = read({
      ONETAKE_DATABASE_URL: "host=db user=onetake password='a-pass' dbname=onetake",
      HTTP_PROXY: 'http://proxy:8080',
    });
    expect(new Set(secrets)).toEqual(new Set(['a-pass']));
  });
});

describe('an ONETAKE_ variable that is no setting', () => {
  const repository = fileURLToPath(new URL('../../../..', import.meta.url));

  it('may be set if something of ours reads it: examples, documents, tools', () => {
    const found = execFileSync('git', ['grep', '-hoE', '\\bONETAKE_[A-Z0-9_]*[A-Z0-9]\\b', '--', ...PLACES], {
      cwd: repository,
      encoding: 'utf8',
    });
    const settings = new Set<string>(Object.values<Setting>(SETTINGS).map(({ env }) => env));
    const others = [...new Set(found.split('\n'))].filter(
      (name) => name !== '' && !settings.has(name) && name !== 'ONETAKE_CONFIG' && !MISTAKES.includes(name),
    );
    expect(others).toContain('ONETAKE_API_KEY');
    for (const name of others) expect(() => read({ [name]: 'x' })).not.toThrow();
  });

  it.each([
    ['ONETAKE_PROT', 'ONETAKE_PORT'],
    ['ONETAKE_API_KEYS', 'ONETAKE_API_KEY'],
    ['ONETAKE_DATADIR', 'ONETAKE_DATA_DIR'],
  ])('and resembles one, %s, is refused with the right name %s', (wrong, right) => {
    expect(refusal({ [wrong]: 'x' })).toContain(`${wrong}: there is no such setting; did you mean ${right}?`);
    const [inFile, meant] = [wrong, right].map((name) => name.slice('ONETAKE_'.length).toLowerCase());
    if (right !== 'ONETAKE_API_KEY') {
      expect(refusal({}, `${inFile}: x`)).toContain(`no setting "${inFile}"; did you mean ${meant}?`);
    }
  });
});

/** Places with names that people see. */
const PLACES = ['README.md', 'docs', 'deploy', 'packages/*/src', 'scripts/*.ts', 'bench', '.ci'];
/** Prefixes of names in comments and documents. */
const MISTAKES = ['ONETAKE_S3'];

describe('wrong settings', () => {
  it('are all reported at once, each with the name as the operator writes it', () => {
    const message = refusal(
      { ONETAKE_PORT: 'http', ONETAKE_PROT: '1', ONETAKE_LOG_LEVEL: 'loud', ONETAKE_PUBLIC_URL: 'ftp://x' },
      'hots: 0.0.0.0\nmax_attempts: 0\nmodels: [a]\n',
    );
    for (const part of [
      /ONETAKE_PORT: must be a whole number/,
      /ONETAKE_PROT: there is no such setting/,
      /ONETAKE_LOG_LEVEL: .*trace/,
      /ONETAKE_PUBLIC_URL: must be an http or https URL/,
      /onetake\.yaml: there is no setting "hots"/,
      /ONETAKE_MAX_ATTEMPTS: .*1/,
      /models must be a mapping/,
    ]) {
      expect(message).toMatch(part);
    }
    expect(message.split('\n')).toHaveLength(8);
  });

  it.each<[string, string]>([
    ['ONETAKE_PORT', '65536'],
    ['ONETAKE_PORT', '-1'],
    ['ONETAKE_PORT', '80.5'],
    ['ONETAKE_PORT', '99999999999999999999'],
    ['ONETAKE_PORT', 'tcp://10.0.0.1:8787'],
    ['ONETAKE_BODY_LIMIT_MB', '0'],
    ['ONETAKE_BOOTSTRAP_KEY', 'sk-short'],
    ['ONETAKE_RESUBMIT_UNKNOWN', 'yes'],
    ['ONETAKE_PUBLIC_URL', 'video.example.com'],
    ['ONETAKE_PUBLIC_URL', 'https://video.example.com?a=1'],
    ['ONETAKE_PUBLIC_URL', 'https://user:password@video.example.com'],
    ['ONETAKE_MEDIA_URL', 'https://video.example.com/#media'],
    ['ONETAKE_HOST', 'http://127.0.0.1'],
    ['ONETAKE_HOST', '127.0.0.1:8787'],
    ['ONETAKE_HOST', '[::1]'],
    ['ONETAKE_MEDIA_URL', 'javascript:alert(1)'],
    ['ONETAKE_HOST', '256.0.0.1'],
    ['ONETAKE_HOST', '1.2.3.4.5'],
    ['ONETAKE_HOST', 'gateway..internal'],
    ['ONETAKE_PUBLIC_URL', 'https://video.example.com:0'],
    ['ONETAKE_PUBLIC_URL', 'https://video.example.com/\u0001'],
    ['ONETAKE_S3_ENDPOINT', 'http://minio:9000?a=b'],
    ['ONETAKE_S3_ENDPOINT', 'http://minio:9000/?'],
    ['ONETAKE_S3_ENDPOINT', 'http://minio:9000/#'],
    ['ONETAKE_S3_ENDPOINT', 'http://user:password@minio:9000'],
    ['ONETAKE_S3_PUBLIC_ENDPOINT', 'http://user@minio:9000'],
    ['ONETAKE_S3_REGION', '-'],
    ['ONETAKE_S3_REGION', 'eu-central-'],
    ['ONETAKE_S3_REGION', 'eu.central'],
    ['ONETAKE_S3_BUCKET', 'a..b'],
    ['ONETAKE_S3_BUCKET', 'videos-'],
    ['ONETAKE_S3_BUCKET', '10.0.0.1'],
    ['ONETAKE_S3_SSE_KMS_KEY_ID', 'key\nkey'],
    ['ONETAKE_HTTPS_PROXY', 'http://proxy.internal:0'],
    ['ONETAKE_DATABASE_URL', 'postgres://127.0.0.1:0/db'],
    ['ONETAKE_DATABASE_URL', 'host=127.0.0.1 port=0'],
  ])('%s=%s', (variable, value) => {
    // What a setting of a bucket needs, so that only its value is wrong.
    const needed = { ONETAKE_S3_BUCKET: 'videos', ONETAKE_S3_SSE: 'aws:kms' };
    expect(refusal({ ...needed, [variable]: value })).toMatch(
      new RegExp(`^The settings are not valid:\n {2}${variable}: `),
    );
  });

  it.each<[string, string, RegExp]>([
    ['a list instead of a single value', 'data_dir: [a, b]', /ONETAKE_DATA_DIR.*one value/],
    ['a mapping instead of a single value', 'host: {a: b}', /ONETAKE_HOST.*one value/],
    ['a list that holds lists', 'allow_private_hosts: [[a]]', /ONETAKE_ALLOW_PRIVATE_HOSTS/],
    ['a file that is a list', '- port', /onetake\.yaml: must be a mapping/],
    ['a file that is text', 'port 8787', /onetake\.yaml: must be a mapping/],
    ['a name given twice', 'port: 1\nport: 2', /onetake\.yaml, line 2: .*unique/],
    ['a file that is no YAML', 'port: "1\nhost: x', /onetake\.yaml, line \d/],
    ['an undefined alias', 'port: *nothing', /onetake\.yaml, line 1: there is no &nothing before \*nothing/],
    ['the name of a variable in the file', 'ONETAKE_PORT: 1', /there is no setting "ONETAKE_PORT"/],
  ])('%s', (_what, yaml, message) => {
    expect(refusal({}, yaml)).toMatch(message);
  });
});

it.each<[string, string]>([
  ['ONETAKE_S3_BUCKET', 'videos.example.com'],
  ['ONETAKE_S3_BUCKET', 'Old_Videos'],
  ['ONETAKE_S3_REGION', 'auto'],
  ['ONETAKE_S3_REGION', 'us-gov-west-1'],
  ['ONETAKE_S3_ENDPOINT', 'https://project.supabase.co/storage/v1/s3'],
  ['ONETAKE_S3_ENDPOINT', 'http://[::1]:9000'],
  ['ONETAKE_HTTPS_PROXY', 'http://user:password@proxy.internal:3128'],
])('%s=%s is taken, because installations use it', (variable, value) => {
  const [name = ''] = Object.entries<Setting>(SETTINGS).find(([, { env }]) => env === variable) ?? [];
  const bucket = { ONETAKE_S3_BUCKET: 'videos' };
  expect(read({ ...bucket, [variable]: value })).toHaveProperty(name, value);
});

describe('an address to listen on', () => {
  it.each(['127.0.0.1', '127.1', '0.0.0.0', '::', '::1', 'localhost', 'gateway-1.internal', 'my_host'])(
    '%s',
    (host) => {
      expect(read({ ONETAKE_HOST: host }).host).toBe(host);
    },
  );
});

/** Terms of a validator, not of this gateway. */
const VALIDATOR = /expected|received|Invalid|Too (?:big|small)|Unrecognized/;

describe('the allowed values are described in plain sentences', () => {
  it.each<[string, NodeJS.ProcessEnv, string, RegExp]>([
    ['a number that is too large', { ONETAKE_PORT: '65536' }, '', /ONETAKE_PORT: must be at most 65535\./],
    ['a number that is too small', { ONETAKE_MAX_ATTEMPTS: '0' }, '', /MAX_ATTEMPTS: must be at least 1\./],
    ['a text that is too long', { ONETAKE_S3_PREFIX: 'a'.repeat(201) }, '', /at most 200 characters long\./],
    [
      'a word that is not allowed',
      { ONETAKE_S3_SSE: 'x' },
      '',
      /ONETAKE_S3_SSE: must be AES256 or aws:kms\./,
    ],
    [
      'a member that is missing',
      {},
      'models: {mine: {title: Mine}}',
      /models\.mine: upstreamModel: is missing/,
    ],
    ['a member of another kind', {}, 'models: {sora-2: {title: 5}}', /models\.sora-2: title: must be a text/],
    [
      'an unknown member',
      {},
      'models: {sora-2: {tile: x, upstream_model: x}}',
      /models\.sora-2: there is no "tile" or "upstream_model" here; did you mean title and upstreamModel\?/,
    ],
    [
      'an unknown member of a rule',
      {},
      'models: {sora-2: {rules: [{require: {parametre: image, given: true}}]}}',
      /models\.sora-2: rules\.0: require: .*there is no "parametre" here; did you mean parameter\?/,
    ],
    [
      'an unknown input',
      {},
      'models: {sora-2: {inputs: {aspect_ratio: {name: x}}}}',
      /inputs: there is no "aspect_ratio" here; did you mean aspectRatio\?/,
    ],
    [
      'an unknown limit of an account',
      {},
      'accounts: {mine: {provider: openai, base_url: "http://127.0.0.1:1", limits: {inflight: 2}}}',
      /accounts\.mine\.limits: there is no "inflight" here; did you mean in_flight\?/,
    ],
    [
      'an unknown member of an account',
      {},
      'accounts: {mine: {provider: openai, base_url: "http://127.0.0.1:1", memebers: {}}}',
      /accounts\.mine: there is no "memebers" here; did you mean members\?/,
    ],
    [
      'an unknown member of a fleet',
      {},
      'accounts: {mine: {provider: openai, lost_after: 3, members: {one: {base_url: "http://127.0.0.1:1"}}}}',
      /accounts\.mine: there is no "lost_after" here; did you mean lost_after_seconds\?/,
    ],
    [
      'an unknown member unlike any other',
      {},
      'accounts: {mine: {provider: openai, members: {one: {host: x}}}}',
      /accounts\.mine\.members\.one: there is no "host" here; there may be base_url and limits/,
    ],
    [
      'an empty list',
      { KEY: 'k' },
      'accounts: {mine: {provider: openai, api_key: {env: KEY}, models: []}}',
      /accounts\.mine\.models: must not be empty/,
    ],
    [
      'a value of neither of two types',
      { KEY: 'k' },
      'accounts: {mine: {provider: openai, api_key: {env: KEY}, models: 5}}',
      /accounts\.mine\.models: must be a list or a mapping/,
    ],
    [
      'a limit',
      { KEY: 'k' },
      'accounts: {mine: {provider: openai, api_key: {env: KEY}, limits: {in_flight: 0}}}',
      /accounts\.mine\.limits\.in_flight: must be more than 0/,
    ],
    [
      'what polls are for',
      { KEY: 'k' },
      'accounts: {mine: {provider: openai, api_key: {env: KEY}, tracking: fast}}',
      /accounts\.mine\.tracking: .*latency.*balanced.*frugal/,
    ],
    ['an account that is not a mapping', {}, 'accounts: {mine: 5}', /accounts\.mine: must be a mapping/],
    [
      'the name of the built-in account',
      {},
      'accounts: {preview: {provider: openai}}',
      /preview: .*built-in/,
    ],
  ])('%s', (_what, env, yaml, message) => {
    const told = refusal(env, yaml);
    expect(told).toMatch(message);
    expect(told).not.toMatch(VALIDATOR);
  });
});

describe('the file', () => {
  it('may be missing, unless ONETAKE_CONFIG names it', () => {
    expect(read({}, undefined).port).toBe(8787);
    expect(read({ ONETAKE_CONFIG: '' }, undefined).port).toBe(8787);
    expect(refusal({ ONETAKE_CONFIG: '/etc/onetake.yaml' })).toMatch(/\/etc\/onetake\.yaml does not exist/);
  });

  it('is the one named by ONETAKE_CONFIG, read from the disk', async () => {
    const path = join(await tempFolder(), 'mine.yaml');
    writeFileSync(path, 'port: 9000 # ours\n');
    expect(readConfig({ ONETAKE_CONFIG: path }).port).toBe(9000);
  });

  it('is not silently ignored if its name ends in .yml', () => {
    const files: Readonly<Record<string, string>> = { 'onetake.yml': 'port: 1', mine: 'port: 2' };
    const readFile = (path: string) => files[path];
    expect(() => readConfig({}, readFile)).toThrow(/onetake\.yml: is not read; rename it to onetake\.yaml/);
    expect(readConfig({ ONETAKE_CONFIG: 'mine' }, readFile).port).toBe(2);
    expect(readConfig({ ONETAKE_CONFIG: 'onetake.yml' }, readFile).port).toBe(1);
  });

  it('may be empty or only have comments', () => {
    expect(read({}, '').port).toBe(8787);
    expect(read({}, '# port: 1\n').port).toBe(8787);
  });

  it('passes its models on unchanged', () => {
    const yaml = 'models:\n  onetake-preview: {title: Mine}\n';
    expect(read({}, yaml).models).toEqual({ 'onetake-preview': { title: 'Mine' } });
  });
});

describe('a secret is never part of an error', () => {
  it.each<[string, NodeJS.ProcessEnv, string]>([
    ['in the environment', { ONETAKE_BOOTSTRAP_KEY: SECRET, ONETAKE_PORT: 'x' }, ''],
    ['in the file', {}, `bootstrap_key: ${SECRET}\nport: x\n`],
    ['on a line of the file that cannot be read', {}, `port: 1\nbootstrap_key: "${SECRET}\n`],
    ['next to a mistake on its line', {}, `bootstrap_key: ${SECRET}: x\n`],
    ['given twice', {}, `bootstrap_key: ${SECRET}\nbootstrap_key: ${SECRET}\n`],
    ['not a valid key', { ONETAKE_BOOTSTRAP_KEY: `x${SECRET}` }, ''],
    ['given as a list', {}, `bootstrap_key: [${SECRET}]\n`],
    ['in a URL with a mistake', { ONETAKE_PUBLIC_URL: `https://user:${SECRET}@example.com` }, ''],
    ['with a line break', { ONETAKE_S3_ACCESS_KEY_ID: `a\n${SECRET}` }, ''],
    [
      'with a line break in an account',
      { KEY: `a\n${SECRET}` },
      'accounts: {a: {provider: ark, api_key: {env: KEY}}}',
    ],
  ])('%s', (_where, env, yaml) => {
    expect(refusal(env, yaml)).not.toContain(SECRET);
  });
});

describe('docs/settings.md', () => {
  const document = readFileSync(new URL('../../../../docs/settings.md', import.meta.url), 'utf8');

  it('names every setting', () => {
    for (const { env } of Object.values<Setting>(SETTINGS)) expect(document).toContain(`| \`${env}\` |`);
  });
});

describe('secrets of providers', () => {
  const read = (text: string) => (path: string) => (path === 'onetake.yaml' ? text : undefined);
  const shop = 'provider: openai, api_key: { env: SHOP_KEY }, webhook_secret: { file: nowhere }';

  it('are only needed by what calls providers', async () => {
    const file = read(`accounts: { shop: { ${shop} } }`);
    const accounts = [{ id: 'shop', provider: 'openai' }];
    expect(readLocalConfig({}, file)).toMatchObject({ accounts });
    expect(await checkLocalConfig({}, file)).toMatchObject({ accounts });
    const { problems } = await examineConfig({}, file);
    expect(problems).toEqual([
      'accounts.shop.api_key: the environment variable SHOP_KEY is not set',
      expect.stringMatching(/^accounts\.shop\.webhook_secret: cannot be read: ENOENT/),
    ]);
    expect(() => readConfig({}, file)).toThrow(/SHOP_KEY is not set/);
    await expect(checkConfig({}, file)).rejects.toThrow(/SHOP_KEY is not set/);
  });

  it('must be named by their places in any case, and other mistakes are found', () => {
    const wrong = read('accounts: { shop: { provider: openai, api_key: sk-plain, flavur: azure } }');
    expect(() => readLocalConfig({}, wrong)).toThrow(/api_key: must be \{env: NAME\}.*flavur/s);
  });
});
