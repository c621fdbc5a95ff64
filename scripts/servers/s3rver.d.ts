/** The part of s3rver that is used here; the package has no types. */
declare module 's3rver' {
  import type { AddressInfo } from 'node:net';
  import type { Readable } from 'node:stream';

  interface Options {
    readonly address: string;
    readonly port: number;
    readonly silent: boolean;
    readonly directory: string;
    readonly configureBuckets: readonly {
      readonly name: string;
      readonly configs: readonly (string | Buffer)[];
    }[];
  }

  export interface StoredObject {
    content: Readable;
  }

  export interface Store {
    putObject(object: StoredObject): Promise<{ readonly size: number; readonly md5: string }>;
  }

  export default class S3rver {
    constructor(options: Options);
    readonly store: Store;
    run(): Promise<AddressInfo>;
    close(): Promise<void>;
  }
}
