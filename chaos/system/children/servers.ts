// The database and the object storage, in a process of their own, so that they do not slow the clients' clocks.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { createDatabase, type PostgresServer, startPostgres } from '../../../scripts/servers/postgres.ts';
import { type S3Server, startS3 } from '../../../scripts/servers/s3.ts';
import { serveParent } from '../../shared/rpc.ts';

/** The addresses of the servers. */
export interface Servers {
  readonly databaseUrl: string;
  readonly databasePort: number;
  readonly storage: Omit<S3Server, 'close'>;
}

/** An object as it is on the storage's disk. */
export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  /** Hex SHA-256. */
  readonly sha256: string;
}

/** The name that s3rver gives the file of an object's bytes. */
const OBJECT = '._S3rver_object';

let postgres: PostgresServer | undefined;
let s3: S3Server | undefined;

const calls = {
  async start(): Promise<Servers> {
    postgres = await startPostgres({ durable: true });
    s3 = await startS3();
    const { close: _, ...storage } = s3;
    return { databaseUrl: await createDatabase(postgres.url), databasePort: postgres.port, storage };
  },
  async stopDatabase(how: 'fast' | 'crash'): Promise<void> {
    await postgres?.stop(how);
  },
  async startDatabase(): Promise<void> {
    await postgres?.start();
  },
  /** Every object of the bucket below a prefix, by the rest of its key, read from the disk. */
  async objects(prefix: string): Promise<StoredObject[]> {
    const root = join(s3?.directory ?? '', s3?.bucket ?? '', prefix);
    const files = await readdir(root, { recursive: true, withFileTypes: true });
    const objects: StoredObject[] = [];
    for (const file of files) {
      if (!file.isFile() || !file.name.endsWith(OBJECT)) continue;
      const path = join(file.parentPath, file.name);
      const content = await readFile(path);
      objects.push({
        key: relative(root, path).slice(0, -OBJECT.length),
        bytes: content.length,
        sha256: createHash('sha256').update(content).digest('hex'),
      });
    }
    return objects;
  },
};
export type ServerCalls = typeof calls;

serveParent(calls, async () => {
  await Promise.all([postgres?.close(), s3?.close()]);
});
