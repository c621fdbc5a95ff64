import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { afterAll, describe, expect, it } from 'vitest';
import { openBucket } from '../../../src/media/s3/client.ts';
import { createS3Storage } from '../../../src/media/s3/storage.ts';
import { newId } from '../../../src/tasks/ids.ts';
import { closeBuckets, freshBucket, NAMED_SERVER } from '../../support/servers/bucket.ts';
import { serve } from '../../support/servers/httpServer.ts';

afterAll(closeBuckets);

/** A list of uploads in two pages, as in S3's API reference ("ListMultipartUploads"). */
const page = (uploads: string, next = '') => `<?xml version="1.0" encoding="UTF-8"?>
<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>onetake</Bucket>
<IsTruncated>${next !== ''}</IsTruncated>${next}${uploads}</ListMultipartUploadsResult>`;

const upload = (key: string, id: string, initiated: string) =>
  `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${initiated}</Initiated></Upload>`;

it('temporary copies that were left are removed once they are old', async () => {
  const options = await freshBucket();
  const storage = createS3Storage(options);
  const left = join(options.scratch, 'lent', 'left');
  await mkdir(dirname(left), { recursive: true });
  await writeFile(left, 'bytes');
  expect(await storage.removeLeftovers(Date.now() - 60_000, async () => true)).toBe(0);
  expect(await storage.removeLeftovers(Date.now() + 60_000, async () => true)).toBe(1);
  expect(await readdir(dirname(left))).toEqual([]);
});

describe('unfinished multipart uploads', () => {
  it('are aborted once they are old, only our own, page after page', async () => {
    const aborted: string[] = [];
    const prefixes = new Set<string | null>();
    const { origin } = await serve(({ method, url }, response) => {
      const { pathname, searchParams } = new URL(url ?? '', 'http://localhost');
      if (method === 'GET') prefixes.add(searchParams.get('prefix'));
      if (method === 'DELETE') {
        aborted.push(`${pathname} ${searchParams.get('uploadId')}`);
        response.writeHead(204).end();
        return;
      }
      const second = searchParams.get('key-marker') === 'p/video/b.mp4';
      response
        .writeHead(200, { 'content-type': 'application/xml' })
        .end(
          second
            ? page(
                upload('p/video/c.mp4', 'c', '2026-01-01T00:00:00.000Z') +
                  upload('p/video/d.mp4', 'd', '2026-01-03T00:00:00.000Z'),
              )
            : page(
                upload('p/backup.zip', 'x', '2026-01-01T00:00:00.000Z') +
                  upload('p/video/b.mp4', 'b', '2026-01-01T00:00:00.000Z'),
                '<NextKeyMarker>p/video/b.mp4</NextKeyMarker><NextUploadIdMarker>b</NextUploadIdMarker>',
              ),
        );
    });
    const options = await freshBucket({ endpoint: origin, prefix: 'p', bucket: 'onetake' });
    expect(await createS3Storage(options).removeLeftovers(Date.UTC(2026, 0, 2))).toBe(2);
    expect(aborted).toEqual(['/onetake/p/video/b.mp4 b', '/onetake/p/video/c.mp4 c']);
    expect([...prefixes]).toEqual(['p/']);
  });

  it.each([
    ['are passed over if they have ended in the meantime', 404, 'NoSuchUpload', 1],
    ['that cannot be aborted are an error', 403, 'AccessDenied', 'storage_unavailable'],
  ])('%s', async (_what, status, code, outcome) => {
    const { origin } = await serve(({ method }, response) => {
      response
        .writeHead(method === 'DELETE' ? status : 200, { 'content-type': 'application/xml' })
        .end(
          method === 'DELETE'
            ? `<Error><Code>${code}</Code></Error>`
            : page(upload('p/video/b.mp4', 'b', '2026-01-01T00:00:00.000Z')),
        );
    });
    const storage = createS3Storage(await freshBucket({ endpoint: origin, prefix: 'p', bucket: 'onetake' }));
    const removed = storage.removeLeftovers(Date.UTC(2026, 0, 2)).catch((error) => error.code);
    expect(await removed).toBe(outcome);
  });

  it('are ignored if the server cannot list them', async () => {
    const storage = createS3Storage(await freshBucket());
    expect(await storage.removeLeftovers(Date.now())).toBe(0);
  });

  // The server of the other tests cannot list them.
  it.skipIf(!NAMED_SERVER)('are gone from a server that can', async () => {
    const options = await freshBucket();
    const bucket = openBucket(options);
    const Key = bucket.objectKey(`video/${newId()}.mp4`);
    await bucket.requests.send(new CreateMultipartUploadCommand({ Bucket: bucket.name, Key }));
    const storage = createS3Storage(options);
    expect(await storage.removeLeftovers(Date.now() - 60_000)).toBe(0);
    expect(await storage.removeLeftovers(Date.now() + 60_000)).toBe(1);
    const { Uploads = [] } = await bucket.requests.send(
      new ListMultipartUploadsCommand({ Bucket: bucket.name, Prefix: bucket.objectKey('') }),
    );
    expect(Uploads).toEqual([]);
  });
});
