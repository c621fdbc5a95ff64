import type { RowReader } from '../readRows.ts';
import type { GroupCommit } from './groupCommit.ts';
import type { prepareStatements } from './statements.ts';

/** What the parts of the store share. */
export interface SqliteParts {
  readonly sql: ReturnType<typeof prepareStatements>;
  readonly rows: RowReader;
  /** Runs a write in the transaction of this turn of the event loop; see `groupCommit.ts`. */
  readonly inGroup: GroupCommit;
  /** Called when a delivery that is due is written, right before that is durable. */
  readonly onDelivery: () => void;
}
