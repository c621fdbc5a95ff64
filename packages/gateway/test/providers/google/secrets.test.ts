import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readAccounts } from '../../../src/providers/accounts.ts';
import { googleDefinition } from '../../../src/providers/google/definition.ts';
import { UpstreamError } from '../../../src/providers/provider.ts';
import { accountProblems } from '../../../src/providers/registry.ts';
import { readAll } from '../../support/http/readAll.ts';
import { sending } from '../../support/sending.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { tempFolder } from '../../support/tempFolder.ts';
import { aJob, handleOf, open, openAccount, signal } from './world.ts';

const KEY = 'a-key-that-nobody-may-see';

const failure = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);

describe('the key of the Gemini API', () => {
  it('is sent to no redirect and no other host, whatever an operation names', async () => {
    const elsewhere = await serve((_request, response) => response.end('video'));
    const service = await serve((request, response) => {
      if (request.url?.includes('files/moved')) {
        response.writeHead(302, { location: `${elsewhere.origin}/moved` }).end();
      } else response.end('video');
    });
    const { provider } = await openAccount({ GEMINI_API_KEY: KEY, GOOGLE_GEMINI_BASE_URL: service.origin });
    onTestFinished(() => provider.close());
    const read = async (ref: string) => {
      const { stream } = await provider.open(handleOf(aJob('gemini'), 'x'), { ref }, 0, signal());
      return (await readAll(stream)).toString();
    };
    expect(await read(`${elsewhere.origin}/v1beta/files/moved:download?alt=media`)).toBe('video');
    expect(await read(`${elsewhere.origin}/signed?x=1`)).toBe('video');
    expect(elsewhere.requests.map(({ headers }) => headers['x-goog-api-key'])).toEqual([
      undefined,
      undefined,
    ]);
    // A file is requested by its name at the account's own base URL, wherever the operation says that it is.
    expect(service.requests.map(({ url, headers }) => [url, headers['x-goog-api-key']])).toEqual([
      ['/v1beta/files/moved:download?alt=media', KEY],
    ]);
  });

  it('is in no error, even if the upstream repeats it', async () => {
    const service = await serve((_request, response) => {
      response.writeHead(403, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ error: { status: 'PERMISSION_DENIED', message: `The key ${KEY} may not.` } }),
      );
    });
    const { provider } = await openAccount({ GEMINI_API_KEY: KEY, GOOGLE_GEMINI_BASE_URL: service.origin });
    onTestFinished(() => provider.close());
    const error = await failure(provider.submit(aJob('gemini'), sending(signal())));
    expect(error).toMatchObject({ reason: 'auth_failed', detail: expect.stringContaining('[secret]') });
    expect(inspect(error, { depth: 10 })).not.toContain(KEY);
  });
});

describe('access tokens of Vertex AI', () => {
  it('are fetched once for many calls', async () => {
    const { simulators, provider } = await open('vertex');
    await Promise.all(Array.from({ length: 5 }, () => provider.submit(aJob('vertex'), sending(signal()))));
    await provider.submit(aJob('vertex'), sending(signal()));
    expect(simulators.ledger.count({ operation: 'token' })).toBe(1);
  });

  it('that are refused fail the account, and neither the key nor the assertion is in the error', async () => {
    const { simulators, provider } = await open('vertex');
    simulators.upstream('vertex').accounts.set('default', 'revoked');
    const error = await failure(provider.submit(aJob('vertex'), sending(signal())));
    expect(error).toMatchObject({
      reason: 'auth_failed',
      created: 'no',
      detail: expect.stringContaining('invalid_grant'),
    });
    expect(inspect(error, { depth: 10 })).not.toMatch(/PRIVATE KEY|assertion|eyJ/);
    expect(simulators.ledger.count({ operation: 'submit' })).toBe(0);
  });

  it('that are unavailable mean that nothing was submitted', async () => {
    const { simulators, provider } = await open('vertex');
    await simulators.upstream('vertex').outage();
    expect(await failure(provider.submit(aJob('vertex'), sending(signal())))).toMatchObject({
      reason: 'upstream_unavailable',
      created: 'no',
    });
  });

  it('that never come end when the caller aborts, and nothing was submitted', async () => {
    const { simulators, provider } = await open('vertex');
    simulators.faults.add({ kind: 'hang', operation: 'token' });
    expect(await failure(provider.submit(aJob('vertex'), sending(AbortSignal.timeout(200))))).toMatchObject({
      reason: 'upstream_timeout',
      created: 'no',
    });
  });

  it('need a readable file, now or at the next call', async () => {
    const { env } = await open('vertex');
    const path = join(await tempFolder(), 'credentials.json');
    const { provider } = await openAccount({ ...env, GOOGLE_APPLICATION_CREDENTIALS: path });
    onTestFinished(() => provider.close());
    const job = aJob('vertex');
    expect(await failure(provider.submit(job, sending(signal())))).toMatchObject({
      reason: 'auth_failed',
      created: 'no',
      detail: expect.stringContaining(path),
    });
    await writeFile(path, await readFile(env.GOOGLE_APPLICATION_CREDENTIALS ?? '', 'utf8'));
    expect((await provider.submit(job, sending(signal()))).upstreamId).toContain('/operations/');
  });

  it('are sent to the storage service too, but only for URLs in a bucket', async () => {
    const { provider } = await open('vertex', { storage_uri: 'gs://videos' });
    const error = await failure(
      provider.open(handleOf(aJob('vertex'), 'x'), { ref: 'https://example.com/video.mp4' }, 0, signal()),
    );
    expect(error).toBeInstanceOf(UpstreamError);
    expect(error).toMatchObject({ reason: 'result_lost' });
  });
});

describe('a credentials file', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = {
    type: 'service_account',
    client_email: 'veo@p.iam.gserviceaccount.com',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
  const user = { type: 'authorized_user', client_id: 'i', client_secret: 's', refresh_token: 'r' };
  const federated = {
    type: 'external_account',
    audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: 'https://sts.googleapis.com/v1/token',
    credential_source: { file: '/var/run/token' },
  };

  /** What the check of an account with this file says. */
  async function checked(content: string | undefined): Promise<unknown> {
    const path = join(await tempFolder(), 'key.json');
    if (content !== undefined) await writeFile(path, content);
    const { accounts, problems } = readAccounts({
      file: { veo: { provider: 'google', project: 'p', credentials_file: path } },
      env: {},
      definitions: [googleDefinition],
    });
    expect(problems).toEqual([]);
    const account = accounts[0]?.account;
    if (account === undefined) throw new Error('no account');
    return failure(googleDefinition.check?.(account as never, 'veo') ?? Promise.resolve());
  }

  it.each([key, user, federated])('of each kind passes the check of settings: $type', async (content) => {
    expect(await checked(JSON.stringify(content))).toBeUndefined();
  });

  it.each([
    ['that does not exist', undefined, /cannot be read \(ENOENT\)/],
    ['that is empty', '', /is not a key/],
    ['that is no JSON', `${KEY} {`, /is not a key/],
    ['without its type', '{}', /is not a key/],
    ['without its address', JSON.stringify({ ...key, client_email: undefined }), /is not a key/],
    ['with half a key', JSON.stringify({ ...key, private_key: KEY }), /is not a key/],
  ])('%s is refused at the start, and nothing of it is quoted', async (_what, content, said) => {
    const error = await checked(content);
    expect(error).toMatchObject({ code: 'invalid_settings', message: expect.stringMatching(said) });
    expect(String(error)).toMatch(/accounts\.veo\.credentials_file .*GOOGLE_APPLICATION_CREDENTIALS/);
    expect(inspect(error, { depth: 10 })).not.toContain(KEY);
  });
});

describe('an account of the environment', () => {
  const accountOf = (env: Record<string, string>) => {
    const { accounts, problems } = readAccounts({ file: undefined, env, definitions: [googleDefinition] });
    expect(problems).toEqual([]);
    return accounts[0]?.account;
  };

  it('is made by a key under either name, and uses the Gemini API', () => {
    expect(accountOf({ GEMINI_API_KEY: 'one' })).toMatchObject({ api: 'gemini', api_key: 'one' });
    expect(accountOf({ GEMINI_API_KEY: 'one', GOOGLE_API_KEY: 'two' })).toMatchObject({ api_key: 'two' });
  });

  it('is made by a project if Vertex AI is chosen, and needs no key', () => {
    const project = { GOOGLE_CLOUD_PROJECT: 'p' };
    expect(accountOf({ GOOGLE_GENAI_USE_VERTEXAI: 'true', ...project, GEMINI_API_KEY: 'one' })).toEqual({
      api: 'vertex',
      project: 'p',
      location: 'us-central1',
    });
    expect(
      accountOf({
        GOOGLE_GENAI_USE_ENTERPRISE: '1',
        ...project,
        GOOGLE_CLOUD_LOCATION: 'global',
        GOOGLE_APPLICATION_CREDENTIALS: '/run/key.json',
        STORAGE_EMULATOR_HOST: 'localhost:4443',
      }),
    ).toEqual({
      api: 'vertex',
      project: 'p',
      location: 'global',
      credentials_file: '/run/key.json',
      storage_url: 'http://localhost:4443',
    });
  });

  it.each([
    [undefined, true],
    ['https://generativelanguage.googleapis.com', true],
    ['https://us-central1-aiplatform.googleapis.com/', true],
    ['https://videos.example.com', false],
  ])('at %s is at Google itself: %s', async (url, official) => {
    const { provider, ...opened } = await openAccount(
      { GEMINI_API_KEY: 'k' },
      url === undefined ? {} : { base_url: url },
    );
    onTestFinished(() => provider.close());
    expect(opened.official).toBe(official);
  });

  it('of Vertex AI at another address makes Veo, and not Omni, which is refused if it is named', async () => {
    const vertex = { GOOGLE_GENAI_USE_VERTEXAI: 'true', GOOGLE_CLOUD_PROJECT: 'p' };
    const proxy = { base_url: 'https://videos.example.com' };
    const { provider, protocols, official } = await openAccount(vertex, proxy);
    onTestFinished(() => provider.close());
    expect(official).toBe(false);
    expect(protocols).toEqual([]);

    const naming = (models: unknown) =>
      accountProblems(
        readAccounts({
          file: { mine: { provider: 'google', project: 'p', models } },
          env: {},
          definitions: [googleDefinition],
        }).accounts,
      );
    expect(await naming(['veo-3.1-generate-001'])).toEqual([]);
    for (const models of [['gemini-omni-1.2-flash'], { 'gemini-omni-1.2-flash': 'gemini-omni-1.2-flash' }])
      expect(await naming(models)).toEqual([
        'accounts.mine.models: Vertex AI has no gemini-omni-1.2-flash; name it in an account of the Gemini API (api_key).',
      ]);
  });

  it.each(['us.central1:', 'us:central', 'us central1', '-'])(
    'cannot have the location %s, and the variable is named',
    (location) => {
      const { problems } = readAccounts({
        file: undefined,
        env: {
          GOOGLE_GENAI_USE_VERTEXAI: 'true',
          GOOGLE_CLOUD_PROJECT: 'p',
          GOOGLE_CLOUD_LOCATION: location,
        },
        definitions: [googleDefinition],
      });
      expect(problems).toEqual([expect.stringMatching(/^GOOGLE_CLOUD_LOCATION .*such as us-central1$/)]);
    },
  );

  it('or of the file need not name its service', () => {
    const ofFile = (members: Record<string, unknown>) =>
      readAccounts({
        file: { veo: { provider: 'google', ...members } },
        env: { KEY: 'k' },
        definitions: [googleDefinition],
      });
    expect(ofFile({ api_key: { env: 'KEY' } }).accounts[0]?.account).toMatchObject({ api: 'gemini' });
    expect(ofFile({ project: 'p', storage_uri: 'gs://videos' }).accounts[0]?.account).toMatchObject({
      api: 'vertex',
      location: 'us-central1',
    });
    expect(ofFile({ api: 'vertex', api_key: { env: 'KEY' } }).problems.join()).toContain(
      'accounts.veo.project',
    );
    expect(ofFile({ project: 'p', storage_uri: 'videos' }).problems.join()).toContain('gs://bucket');
  });

  it('does not exist without variables', () => {
    expect(accountOf({ GOOGLE_CLOUD_PROJECT: 'p' })).toBeUndefined();
    expect(accountOf({ GOOGLE_GENAI_USE_VERTEXAI: 'false' })).toBeUndefined();
  });

  it.each([{}, { GOOGLE_CLOUD_PROJECT: '' }, { GEMINI_API_KEY: 'one' }])(
    'that asks for Vertex AI without a project is a problem that names the variable: %o',
    (env) => {
      const read = (file: unknown) =>
        readAccounts({
          file,
          env: { GOOGLE_GENAI_USE_VERTEXAI: 'true', ...env },
          definitions: [googleDefinition],
        });
      expect(read(undefined)).toMatchObject({
        accounts: [],
        problems: [expect.stringContaining('GOOGLE_CLOUD_PROJECT')],
      });
      expect(read({ veo: { provider: 'google', project: 'p' } }).problems).toEqual([]);
    },
  );
});
