import { DatabaseError } from 'pg';
import { StoreUnavailable } from '../errors.ts';
import type { Connections } from './pool.ts';
import { readOnlyRefusal } from './server.ts';
import { SQL } from './statements.ts';

/** Tables that accepting a task writes to. */
const WRITTEN_TABLES = ['tasks', 'attempts', 'ledger', 'media', 'idempotency', 'events'];

const DISK_FULL = '53100';
/** The code with which a read-only server refuses a write. */
const READ_ONLY = '25006';

/** Remembers that the server had no disk space for a write, until a check finds some. */
export interface SpaceWatch {
  readonly full: boolean;
  note(error: unknown): void;
  clear(): void;
}

export function createSpaceWatch(): SpaceWatch {
  let full = false;
  return {
    get full() {
      return full;
    },
    note(error) {
      if (error instanceof DatabaseError && error.code === DISK_FULL) full = true;
    },
    clear() {
      full = false;
    },
  };
}

/** Resolves if tasks can be written. Otherwise throws the reason, without secrets. */
export async function checkWrites({ run, read, transaction }: Connections, space: SpaceWatch): Promise<void> {
  const [row] = await read<{ in_recovery: boolean; read_only: boolean }>(SQL.readOnly);
  const refusal = row && readOnlyRefusal({ inRecovery: row.in_recovery, readOnly: row.read_only });
  if (refusal) throw refusal;
  let denied: readonly string[];
  try {
    const [written] = await run<{ denied: string[] }>(SQL.writeCheck, [WRITTEN_TABLES]);
    denied = written?.denied ?? [];
  } catch (error) {
    if (causeCode(error) === READ_ONLY) throw readOnlyRefusal({ inRecovery: false, readOnly: true });
    throw error;
  }
  if (denied.length > 0) {
    const message = `The database user may no longer write the tables ${denied.join(', ')}; grant it its rights again.`;
    throw new StoreUnavailable(message, 5);
  }
  if (!space.full) return;
  // The small row of the write check may fit where a task does not.
  await transaction((inside) => inside(SQL.spaceCheck)).catch((error: unknown) => {
    // Without the right to create temporary tables, only the next task shows whether there is space.
    if (causeCode(error) === DISK_FULL) throw error;
  });
  space.clear();
}

const causeCode = (error: unknown): string | undefined =>
  error instanceof Error && error.cause instanceof DatabaseError ? error.cause.code : undefined;
