import type { RowReader } from '../readRows.ts';
import type { Connections } from './pool.ts';

/** What the parts of the store work with. */
export interface PostgresParts {
  readonly connections: Connections;
  readonly rows: RowReader;
  /** The name of this node, at this moment. */
  readonly node: () => string;
}
