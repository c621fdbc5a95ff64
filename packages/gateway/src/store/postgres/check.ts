import { DatabaseError } from 'pg';
import { StoreUnavailable } from '../errors.ts';
import type { Connections } from './pool.ts';
import { readOnlyRefusal } from './server.ts';
import { SQL } from './statements.ts';

/** What every acceptance writes to. */
const WRITTEN_TABLES = ['tasks', 'attempts', 'ledger', 'media', 'idempotency'];

const DISK_FULL = '53100';
/** Codes that a read-only server answers a write with. */
const READ_ONLY = '25006';

/** Remembers that the server had no space left for a write, until some was found. */
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

/** Resolves if tasks can be written. Throws why not, in words that anybody may read. */
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
  // A small row finds room where a task does not.
  await transaction((inside) => inside(SQL.spaceCheck)).catch((error: unknown) => {
    // A user without the right to make temporary tables learns of space by the next task alone.
    if (causeCode(error) === DISK_FULL) throw error;
  });
  space.clear();
}

const causeCode = (error: unknown): string | undefined =>
  error instanceof Error && error.cause instanceof DatabaseError ? error.cause.code : undefined;
