import { randomUUID } from 'node:crypto';
import type { Database, Statement } from 'better-sqlite3';

/** What the operations on a database use of a connection to it. */
export interface Connection {
  /** The statement is prepared when it is first used: each connection uses only some of them. Has only the members that operations use. */
  readonly prepare: Database['prepare'];
  /** Makes all statements of `work` read the same state. */
  snapshot<A extends unknown[], R>(work: (...args: A) => R): (...args: A) => R;
  /** Changes when another connection has committed. That of every connection is different. */
  dataVersion(): string;
}

export function connectionOf(db: Database): Connection {
  const id = randomUUID();
  return {
    prepare: ((source: string) => preparedLate(db, source)) as Database['prepare'],
    snapshot: (work) => db.transaction(work),
    dataVersion: () => `${id} ${db.pragma('data_version', { simple: true })}`,
  };
}

function preparedLate(db: Database, source: string) {
  let statement: Statement | undefined;
  const prepared = (): Statement => {
    statement ??= db.prepare(source);
    return statement;
  };
  return {
    run: (...parameters: unknown[]) => prepared().run(...parameters),
    get: (...parameters: unknown[]) => prepared().get(...parameters),
    all: (...parameters: unknown[]) => prepared().all(...parameters),
    iterate: (...parameters: unknown[]) => prepared().iterate(...parameters),
    pluck: () => prepared().pluck(),
    get reader() {
      return prepared().reader;
    },
  };
}
