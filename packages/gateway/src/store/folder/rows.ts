import Database from 'better-sqlite3';

/** A row as SQLite stores it. */
export type FolderRow = Readonly<Record<string, string | number | null>>;

/** The rows of an embedded store by table, for copying the whole store. */
export interface FolderRows {
  columns(table: string): readonly string[];
  /** All rows of a table in the order in which they were written, in batches. */
  batches(table: string): Iterable<readonly FolderRow[]>;
  /** The storage keys of media whose bytes are stored. */
  mediaKeys(): Iterable<string>;
  /** One row of any query. */
  get(sql: string, ...values: readonly (string | number)[]): FolderRow | undefined;
  close(): void;
}

/** Rows read at a time: a few megabytes of JSON at most. */
const BATCH = 500;

/** Opens the database file of an embedded store, read-only. */
export function readFolderRows(path: string): FolderRows {
  const db = new Database(path, { readonly: true, fileMustExist: true });

  function* batches(table: string, where = 'true'): Generator<FolderRow[]> {
    const page = db.prepare<[number, number], FolderRow & { rowid_: number }>(
      `select rowid as rowid_, * from ${table} where rowid > ? and ${where} order by rowid limit ?`,
    );
    for (let last = Number.MIN_SAFE_INTEGER; ; ) {
      const rows = page.all(last, BATCH);
      const end = rows.at(-1);
      if (!end) return;
      last = end.rowid_;
      yield rows.map(({ rowid_: _, ...row }) => row);
    }
  }

  return {
    columns: (table) =>
      db
        .prepare<[string], { name: string }>('select name from pragma_table_info(?)')
        .all(table)
        .map(({ name }) => name),
    batches,
    *mediaKeys() {
      for (const rows of batches('media', "state = 'present'")) {
        for (const { storage_key } of rows) yield String(storage_key);
      }
    },
    get: (sql, ...values) => db.prepare<unknown[], FolderRow>(sql).get(...values),
    close: () => void db.close(),
  };
}
