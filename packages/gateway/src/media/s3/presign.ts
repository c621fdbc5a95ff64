import { GetObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { contentTypeOf } from '../key.ts';
import type { Presign } from '../links/bucket.ts';
import { type BucketOptions, createClient, objectKeys } from './client.ts';

/** Signs links to objects of a bucket, which clients reach at `publicEndpoint` where that is not the gateway's own way. */
export function createPresigner(options: BucketOptions & { publicEndpoint?: string | undefined }): Presign {
  // Without checksums: the SDK would write one of no bytes into the link.
  const client = createClient({
    ...options,
    endpoint: options.publicEndpoint ?? options.endpoint,
    checksums: false,
  });
  const { objectKey } = objectKeys(options.prefix);
  return (key, { from, until }) => {
    const name = key.slice(key.indexOf('/') + 1);
    const command = new GetObjectCommand({
      Bucket: options.bucket,
      Key: objectKey(key),
      ResponseContentType: contentTypeOf(key),
      ResponseContentDisposition: `inline; filename="${name}"`,
    });
    return getSignedUrl(client, command, {
      signingDate: new Date(from),
      expiresIn: Math.floor((until - from) / 1000),
    });
  };
}
