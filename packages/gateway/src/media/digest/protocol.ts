/** From the gateway to the thread that hashes. Each is about the file with this number. */
export type Order =
  /** The first bytes of the file, as far as `length`, are written. The first order about a file names its path. */
  | { readonly type: 'written'; readonly id: number; readonly path: string; readonly length: number }
  /** Asks for the digest of the first `length` bytes, or of all that there are. */
  | {
      readonly type: 'finish';
      readonly id: number;
      readonly path: string;
      readonly length: number | undefined;
    }
  /** Nothing more is wanted. */
  | { readonly type: 'drop'; readonly id: number };

/** The answer to `finish`: the hex SHA-256, or what went wrong. */
export type Result =
  | { readonly id: number; readonly sha256: string }
  | { readonly id: number; readonly error: { readonly message: string; readonly code?: unknown } };
