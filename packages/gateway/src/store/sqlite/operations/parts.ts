import type { Connection } from './connection.ts';
import type { prepareStatements } from './statements.ts';

/** What operations that read are made of. */
export interface ReadParts {
  readonly db: Connection;
  readonly sql: ReturnType<typeof prepareStatements>;
}

/** What operations that write are made of. */
export interface WriteParts extends ReadParts {
  /** Called when a delivery that is due is written. */
  readonly onDelivery: () => void;
}
