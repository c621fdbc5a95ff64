import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SETTINGS } from '../../../src/config/settings.ts';
import { explainedS3, noteRequest, refusalOf } from '../../../src/media/s3/errors.ts';
import { REFUSALS, rowOf } from '../../../src/media/s3/refusals.ts';
import { createS3Storage, type S3Options } from '../../../src/media/s3/storage.ts';
import { OnetakeError } from '../../../src/tasks/errors.ts';
import { bucketOf } from '../../support/servers/bucket.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { tempFolder } from '../../support/tempFolder.ts';
import { EXAMPLES, type Example, PATH_STYLE, type Storage, upload } from './refusalExamples.ts';

/** Rows for which there was an example. */
const met = new Set<unknown>();
const messages = new Set<string>();

function note(error: unknown): OnetakeError {
  if (!(error instanceof OnetakeError)) throw new Error('is not explained', { cause: error });
  met.add(rowOf(refusalOf(error.cause)));
  messages.add(error.message);
  return error;
}

async function storageAt(endpoint: string, options: Partial<S3Options> = {}): Promise<Storage> {
  const server = { bucket: 'onetake', region: 'us-east-1', accessKeyId: 'a', secretAccessKey: 'b', endpoint };
  return createS3Storage(bucketOf(server, { scratch: join(await tempFolder(), 'scratch'), ...options }));
}

/** A storage whose server always responds with the example. */
async function answering({ status, xml, text, headers = {}, options }: Example): Promise<Storage> {
  const elements = Object.entries(xml ?? {}).map(
    ([name, value]) => `<${name}>${value.replaceAll('&', '&amp;')}</${name}>`,
  );
  const body =
    text ?? (xml ? `<?xml version="1.0" encoding="UTF-8"?><Error>${elements.join('')}</Error>` : '');
  const { origin } = await serve((request, response) => {
    request.resume();
    response.writeHead(status, { 'content-type': xml ? 'application/xml' : 'text/plain', ...headers });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
  return storageAt(origin, options);
}

describe('advice is given for a refusal', () => {
  it.each(EXAMPLES)('of $of', async (example) => {
    const storage = await answering(example);
    const error = note(await (example.does ?? upload)(storage).catch((error: unknown) => error));
    expect(error).toMatchObject({ code: 'storage_unavailable', status: 503 });
    expect(error.message).toMatch(example.tells);
  });

  it('by a server that does not speak TLS', async () => {
    const { port } = await serve((_request, response) => response.end());
    const storage = await storageAt(`https://127.0.0.1:${port}`);
    const error = note(await storage.check().catch((error: unknown) => error));
    expect(error.message).toMatch(/ONETAKE_S3_ENDPOINT with http:/);
  });

  it('by a server that answers plain HTTP with a TLS alert', async () => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(Buffer.from([21, 3, 1, 0, 2, 2, 70])));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    // A server that listens on TCP has an address of this shape.
    const storage = await storageAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const error = note(await storage.check().catch((error: unknown) => error));
    expect(error.message).toMatch(/ONETAKE_S3_ENDPOINT with https:/);
  });

  const sent = { operation: 'PutObject', endpoint: true, pathStyle: true, checksums: true, encrypted: false };
  it.each([
    ['ENOTFOUND', { ...sent, pathStyle: false }, PATH_STYLE],
    ['ENOTFOUND', sent, /correct ONETAKE_S3_ENDPOINT, and check the name server/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', { ...sent, pathStyle: false }, PATH_STYLE],
    ['SELF_SIGNED_CERT_IN_CHAIN', sent, /NODE_EXTRA_CA_CERTS/],
    ['CERT_HAS_EXPIRED', sent, /renew it/],
  ])('with %s', async (code, request, tells) => {
    const refused = Object.assign(new Error('no'), { code });
    noteRequest(refused, request);
    const error = note(await explainedS3(() => Promise.reject(refused)).catch((error: unknown) => error));
    expect(error.message).toMatch(tells);
  });

  it.each([
    [Object.assign(new Error('none'), { name: 'CredentialsProviderError' }), /ONETAKE_S3_ACCESS_KEY_ID/],
    [new Error('Region is missing'), /ONETAKE_S3_REGION/],
  ])('for something that the SDK lacks: %s', async (refused, tells) => {
    const error = note(await explainedS3(() => Promise.reject(refused)).catch((error: unknown) => error));
    expect(error.message).toMatch(tells);
  });
});

/** The advice for a request that was refused in this way. */
async function told(
  operation: string,
  refused: object,
  options: { checksums?: boolean; encrypted?: boolean } = {},
): Promise<string> {
  const error = Object.assign(new Error('not so'), refused);
  const sent = { operation, endpoint: true, pathStyle: true, checksums: false, encrypted: false };
  noteRequest(error, { ...sent, ...options });
  return explainedS3(() => Promise.reject(error)).then(
    () => '',
    ({ message }: Error) => message,
  );
}

describe('a missing permission', () => {
  it.each([
    ['GetObject', 's3:GetObject'],
    ['HeadObject', 's3:GetObject'],
    ['PutObject', 's3:PutObject'],
    ['CreateMultipartUpload', 's3:PutObject'],
    ['UploadPart', 's3:PutObject'],
    ['CompleteMultipartUpload', 's3:PutObject'],
    ['AbortMultipartUpload', 's3:AbortMultipartUpload'],
    ['DeleteObject', 's3:DeleteObject'],
    ['HeadBucket', 's3:ListBucket'],
    ['ListObjectsV2', 's3:ListBucket'],
    ['ListMultipartUploads', 's3:ListBucketMultipartUploads'],
    ['CopyObject', 'to CopyObject'],
  ])('for %s is %s', async (operation, permission) => {
    const denied = `refuses ${operation}; give ONETAKE_S3_ACCESS_KEY_ID the permission ${permission} (`;
    expect(await told(operation, { Code: 'AccessDenied' })).toContain(denied);
    // A response to a HEAD has only a status.
    expect(await told(operation, { name: 'Forbidden', $metadata: { httpStatusCode: 403 } })).toContain(
      denied,
    );
  });

  it('is not named for other refusals with that status', async () => {
    const other = { Code: 'XOther', $metadata: { httpStatusCode: 403 } };
    expect(await told('GetObject', other)).not.toContain('permission');
  });
});

describe('an option of an upload', () => {
  it.each([
    [{ checksums: true }, ['ONETAKE_S3_CHECKSUMS=false'], ['ONETAKE_S3_SSE']],
    [{ encrypted: true }, ['unset ONETAKE_S3_SSE'], ['ONETAKE_S3_CHECKSUMS']],
    [{ checksums: true, encrypted: true }, ['ONETAKE_S3_CHECKSUMS=false, or unset ONETAKE_S3_SSE'], []],
    [{}, [], ['ONETAKE_S3']],
  ])('is blamed if the upload had it: %j', async (options, has, lacks) => {
    const message = await told('PutObject', { Code: 'NotImplemented' }, options);
    for (const words of has) expect(message).toContain(words);
    for (const words of lacks) expect(message).not.toContain(words);
  });

  it('is not blamed for other requests', async () => {
    const options = { checksums: true, encrypted: true };
    expect(await told('HeadBucket', { Code: 'NotImplemented' }, options)).not.toContain('ONETAKE_S3');
  });
});

describe('an unknown refusal', () => {
  it('is reported with the code of the service, and the log has the rest', async () => {
    const xml = { Code: 'XInventedHere', Message: 'bucket onetake of key a' };
    const storage = await answering({ of: '', status: 418, xml, tells: /./ });
    await expect(upload(storage)).rejects.toMatchObject({
      message:
        "The gateway's object storage refused a request with XInventedHere (status 418); the log has its answer.",
      cause: { message: xml.Message, sent: { operation: 'PutObject' } },
    });
  });

  it('is reported without a code if there is none', async () => {
    const xml = { Code: 'see https://example.com for a prize', Message: 'no' };
    const storage = await answering({ of: '', status: 418, xml, tells: /./ });
    await expect(upload(storage)).rejects.toMatchObject({
      message: "The gateway's object storage refused a request (status 418); the log has its answer.",
    });
  });

  it('of a conditional write for another reason is not worked around', async () => {
    const written: unknown[] = [];
    const { origin } = await serve((request, response) => {
      request.resume();
      if (request.method === 'PUT') written.push(request.headers['if-none-match']);
      const [status, code] = request.method === 'PUT' ? [403, 'AccessDenied'] : [404, 'NoSuchKey'];
      const body = `<Error><Code>${code}</Code></Error>`;
      response.writeHead(status as number, { 'content-type': 'application/xml' }).end(body);
    });
    const storage = await storageAt(origin, { prefix: 'one' });
    await expect(storage.claim('first')).rejects.toThrow(/s3:PutObject/);
    expect(written).toEqual(['*']);
  });

  it.each([
    [501, 'NotImplemented'],
    [400, 'InvalidArgument'],
  ])('of conditional writes (%i %s) is worked around', async (status, code) => {
    const stored = new Map<string, string>();
    const { origin } = await serve(async (request, response) => {
      const path = request.url?.split('?')[0] ?? '';
      const body = Buffer.concat(await Array.fromAsync(request)).toString();
      const refuse = (status: number, code: string) =>
        response
          .writeHead(status, { 'content-type': 'application/xml' })
          .end(`<Error><Code>${code}</Code></Error>`);
      if (request.method === 'PUT' && request.headers['if-none-match']) return refuse(status, code);
      if (request.method === 'PUT') stored.set(path, body);
      const found = stored.get(path);
      return found === undefined
        ? refuse(404, 'NoSuchKey')
        : response.end(request.method === 'PUT' ? '' : found);
    });
    const storage = await storageAt(origin, { prefix: 'one' });
    await storage.claim('first');
    await expect((await storageAt(origin, { prefix: 'one' })).claim('second')).rejects.toMatchObject({
      code: 'storage_claimed',
    });
  });
});

it('a bucket whose clock is an hour off is used nevertheless', async () => {
  const HOUR_MS = 3_600_000;
  const { origin, requests } = await serve((request, response) => {
    request.resume();
    const now = Date.now() + HOUR_MS;
    response.setHeader('date', new Date(now).toUTCString());
    const [, at = ''] = /^(\d{8}T\d{6}Z)$/.exec(String(request.headers['x-amz-date'])) ?? [];
    const signed = Date.parse(at.replace(/(....)(..)(..)T(..)(..)(..)Z/, '$1-$2-$3T$4:$5:$6Z'));
    if (Math.abs(now - signed) < HOUR_MS / 4) return response.end();
    return response
      .writeHead(403, { 'content-type': 'application/xml' })
      .end('<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message></Error>');
  });
  await (await storageAt(origin)).check();
  expect(requests.length).toBe(2);
});

describe('the table of refusals', () => {
  /** Fixed at the service, the proxy or the machine. */
  const ELSEWHERE = /clock|client_max_body_size|NODE_EXTRA_CA_CERTS|a cap of|is full|its limits|damaged on/;

  it('has an example for each row', () => {
    expect(REFUSALS.filter((row) => !met.has(row))).toEqual([]);
  });

  it('names existing settings with valid values, or a permission', () => {
    const byName = new Map<string, (typeof SETTINGS)[keyof typeof SETTINGS]>(
      Object.values(SETTINGS).map((setting) => [setting.env, setting]),
    );
    for (const message of messages) {
      const named = [...message.matchAll(/(ONETAKE_[A-Z0-9_]+)(?:=([^\s.,;]+))?/g)];
      if (named.length === 0) expect(message).toMatch(new RegExp(`${ELSEWHERE.source}|permission`));
      for (const [, name = '', value] of named) {
        const setting = byName.get(name);
        expect(setting, name).toBeDefined();
        if (value !== undefined)
          expect(setting?.schema.safeParse(value).success, `${name}=${value}`).toBe(true);
      }
    }
  });
});
