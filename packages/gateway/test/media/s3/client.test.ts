import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  type BucketOptions,
  bucketUrl,
  createPresigner,
  hasDefaultRegion,
  openBucket,
} from '../../../src/media/s3/client.ts';
import { createS3Storage } from '../../../src/media/s3/storage.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const OPTIONS: BucketOptions = {
  bucket: 'videos',
  endpoint: 'https://s3.example',
  prefix: 'one/two',
  pathStyle: false,
  credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  checksums: true,
};

describe('the keys of a bucket', () => {
  it('are below its prefix, if it has one', () => {
    const { objectKey, ownKey, name } = openBucket(OPTIONS);
    expect(name).toBe('videos');
    expect(objectKey('video/a.mp4')).toBe('one/two/video/a.mp4');
    expect(ownKey('one/two/video/a.mp4')).toBe('video/a.mp4');
    expect(ownKey('one/video/a.mp4')).toBeUndefined();
    expect(ownKey('x/one/two/video/a.mp4')).toBeUndefined();
    const whole = openBucket({ ...OPTIONS, prefix: '' });
    expect(whole.objectKey('video/a.mp4')).toBe('video/a.mp4');
    expect(whole.ownKey('video/a.mp4')).toBe('video/a.mp4');
  });
});

describe('the clients of a bucket', () => {
  it.each<[string, Partial<BucketOptions>, object]>([
    ['without encryption', {}, {}],
    ['with encryption', { encryption: { algorithm: 'AES256' } }, { ServerSideEncryption: 'AES256' }],
    [
      'with a key for it',
      { encryption: { algorithm: 'aws:kms', kmsKeyId: 'k' } },
      { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'k' },
    ],
  ])('upload %s', (_what, changes, encryption) => {
    expect(openBucket({ ...OPTIONS, ...changes }).encryption).toStrictEqual(encryption);
  });

  it('have the region of the settings, or the one that servers without regions expect', async () => {
    expect(await openBucket(OPTIONS).requests.config.region()).toBe('us-east-1');
    const { requests, uploads } = openBucket({ ...OPTIONS, region: 'eu-west-1' });
    expect(await requests.config.region()).toBe('eu-west-1');
    expect(await uploads.config.region()).toBe('eu-west-1');
  });

  it('have the region of the environment where AWS is the server and the settings name none', async () => {
    vi.stubEnv('AWS_REGION', 'ap-south-1');
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await openBucket({ ...OPTIONS, endpoint: undefined }).requests.config.region()).toBe('ap-south-1');
    expect(await openBucket(OPTIONS).requests.config.region()).toBe('us-east-1');
  });

  it('have the credentials of the settings, and three tries', async () => {
    const { requests } = openBucket(OPTIONS);
    expect(await requests.config.credentials()).toMatchObject({ accessKeyId: 'a', secretAccessKey: 'b' });
    expect(await requests.config.maxAttempts()).toBe(3);
  });

  it.each([
    [true, 'WHEN_SUPPORTED'],
    [false, 'WHEN_REQUIRED'],
  ])('send checksums: %s', async (checksums, when) => {
    const { uploads } = openBucket({ ...OPTIONS, checksums });
    expect(await uploads.config.requestChecksumCalculation()).toBe(when);
    expect(await uploads.config.responseChecksumValidation()).toBe('WHEN_REQUIRED');
  });

  it('have the timeouts of the settings, and their defaults for the rest', () => {
    expect(openBucket(OPTIONS).timeouts).toEqual({
      connectMs: 5000,
      answerMs: 15_000,
      idleMs: 30_000,
      checkMs: 5000,
    });
    expect(openBucket({ ...OPTIONS, timeouts: { idleMs: 1 } }).timeouts).toMatchObject({
      connectMs: 5000,
      idleMs: 1,
    });
  });
});

describe('a bucket behind a proxy', () => {
  /** A proxy that answers by itself, and the addresses that it was asked for. */
  async function proxied(changes: Partial<BucketOptions>, noProxy: readonly string[] = []) {
    const asked: string[] = [];
    const { origin } = await serve((request, response) => {
      asked.push(request.url ?? '');
      request.resume();
      response
        .writeHead(404, { 'content-type': 'application/xml' })
        .end('<Error><Code>NoSuchKey</Code></Error>');
    });
    const storage = createS3Storage({
      ...OPTIONS,
      endpoint: 'http://s3.invalid',
      scratch: await tempFolder(),
      proxies: { httpProxy: origin, noProxy },
      timeouts: { connectMs: 200, answerMs: 500, checkMs: 500 },
      ...changes,
    });
    await storage.read('video/a.mp4').catch(() => undefined);
    return asked;
  }

  it('is reached through it, by the name of its host', async () => {
    expect(await proxied({})).toEqual([
      expect.stringMatching(/^http:\/\/videos\.s3\.invalid(?::80)?\/one\/two\/video\/a\.mp4/),
    ]);
    expect(await proxied({ pathStyle: true })).toEqual([
      expect.stringMatching(/^http:\/\/s3\.invalid(?::80)?\/videos\/one\/two\/video\/a\.mp4/),
    ]);
  });

  it.each<[Partial<BucketOptions>, string]>([
    [{ endpoint: undefined }, 'https://videos.s3.us-east-1.amazonaws.com/'],
    [{ endpoint: undefined, region: 'eu-west-1' }, 'https://videos.s3.eu-west-1.amazonaws.com/'],
    [{ endpoint: undefined, pathStyle: true }, 'https://s3.us-east-1.amazonaws.com/'],
    [{}, 'https://videos.s3.example/'],
    [{ pathStyle: true }, 'https://s3.example/'],
    [{ endpoint: 'http://127.0.0.1:9000' }, 'http://127.0.0.1:9000/'],
  ])('is matched with NO_PROXY by its own host: %j', (changes, url) => {
    expect(bucketUrl({ ...OPTIONS, ...changes }).href).toBe(url);
  });

  it('is reached directly where the settings say so', async () => {
    const { origin, requests } = await serve((request, response) => {
      request.resume();
      response.writeHead(404).end();
    });
    expect(await proxied({ endpoint: origin, pathStyle: true }, ['127.0.0.1'])).toEqual([]);
    expect(requests).toHaveLength(1);
  });
});

describe('a signed link', () => {
  const validity = { from: Date.UTC(2026, 0, 1), until: Date.UTC(2026, 0, 1, 1, 0, 1, 500) };

  it('is for one object, for a time', async () => {
    const link = new URL(await createPresigner(OPTIONS)('video/a.mp4', validity));
    expect([link.host, link.pathname]).toEqual(['videos.s3.example', '/one/two/video/a.mp4']);
    const { searchParams } = link;
    expect(searchParams.get('X-Amz-Date')).toBe('20260101T000000Z');
    expect(searchParams.get('X-Amz-Expires')).toBe('3601');
    expect(searchParams.get('response-content-type')).toBe('video/mp4');
    expect(searchParams.get('response-content-disposition')).toBe('inline; filename="a.mp4"');
    expect([...searchParams.keys()].filter((name) => /checksum/i.test(name))).toEqual([]);
  });

  it('leads to the public address where there is one', async () => {
    const presign = createPresigner({ ...OPTIONS, publicEndpoint: 'https://media.example', pathStyle: true });
    const link = new URL(await presign('video/a.mp4', validity));
    expect([link.host, link.pathname]).toEqual(['media.example', '/videos/one/two/video/a.mp4']);
  });
});

it('a default region is one that the environment names', async () => {
  const before = { ...process.env };
  onTestFinished(() => {
    for (const name of [
      'AWS_REGION',
      'AWS_DEFAULT_REGION',
      'AWS_CONFIG_FILE',
      'AWS_SHARED_CREDENTIALS_FILE',
    ]) {
      if (before[name] === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = before[name];
    }
  });
  Reflect.deleteProperty(process.env, 'AWS_REGION');
  process.env.AWS_CONFIG_FILE = '/nonexistent';
  process.env.AWS_SHARED_CREDENTIALS_FILE = '/nonexistent';
  expect(await hasDefaultRegion()).toBe(false);
  process.env.AWS_REGION = 'eu-west-1';
  expect(await hasDefaultRegion()).toBe(true);
});
