import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import S3rver, { type Store } from 's3rver';

/** A real S3 server over HTTP on this machine (the npm package `s3rver`), on a free port of 127.0.0.1. */
export interface S3Server {
  readonly endpoint: string;
  readonly port: number;
  /** An existing bucket. */
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  /** The folder of its objects, while it runs. */
  readonly directory: string;
  close(): Promise<void>;
}

/** The one account that s3rver knows (its README). */
const ACCOUNT = 'S3RVER';

export async function startS3({ port = 0, bucket = 'onetake' } = {}): Promise<S3Server> {
  const directory = await mkdtemp(join(tmpdir(), 'onetake-s3-'));
  const server = new S3rver({
    address: '127.0.0.1',
    port,
    silent: true,
    directory,
    configureBuckets: [{ name: bucket, configs: [] }],
  });
  const uploads = await mkdtemp(join(tmpdir(), 'onetake-s3-uploads-'));
  replaceWholeObjects(server.store, uploads);
  const address = await server.run();
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    port: address.port,
    bucket,
    accessKeyId: ACCOUNT,
    secretAccessKey: ACCOUNT,
    region: 'us-east-1',
    directory,
    async close() {
      await server.close();
      for (const folder of [directory, uploads]) await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * s3rver truncates an object when its replacement begins, so that an upload that is cut leaves nothing. S3 replaces an object only by a
 * whole one. Therefore an upload is received into a file of its own first.
 */
function replaceWholeObjects(store: Store, directory: string): void {
  const put = store.putObject.bind(store);
  let uploads = 0;
  store.putObject = async (object) => {
    uploads += 1;
    const received = join(directory, `upload-${uploads}`);
    try {
      await pipeline(object.content, createWriteStream(received));
      return await put(Object.assign(object, { content: createReadStream(received) }));
    } finally {
      await rm(received, { force: true });
    }
  };
}
