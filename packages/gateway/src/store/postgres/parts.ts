import type { RowReader } from '../readRows.ts';
import type { Connections } from './pool.ts';

/** What the parts of the store share. */
export interface PostgresParts {
  readonly connections: Connections;
  readonly rows: RowReader;
  /** The current name of this node. */
  readonly node: () => string;
}
