import { afterAll } from 'vitest';
import { createS3Storage } from '../../../src/media/s3/storage.ts';
import { closeBuckets, freshBucket } from '../../support/servers/bucket.ts';
import { describeStorageContract } from '../storageContract.ts';

afterAll(closeBuckets);

describeStorageContract('S3', async () => {
  const options = await freshBucket();
  return {
    storage: createS3Storage(options),
    reopen: async () => createS3Storage(options),
  };
});
