import type { RowReader } from '../readRows.ts';
import type { Connection } from './operations/connection.ts';
import type { Reads } from './operations/reads.ts';
import type { prepareStatements } from './operations/statements.ts';
import type { Writes } from './operations/writes.ts';
import type { Remote } from './threads/remote.ts';

/** What the parts of the store share. */
export interface SqliteParts {
  /** The connection of this thread, for reads of single rows by their keys. */
  readonly db: Connection;
  readonly sql: ReturnType<typeof prepareStatements>;
  readonly rows: RowReader;
  /** Each resolves once it is durable. */
  readonly write: Remote<Writes>;
  readonly read: Remote<Reads>;
}
