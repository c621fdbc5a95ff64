import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { migratePostgres } from '../../src/store/postgres/migrations.ts';
import { migrateSqlite } from '../../src/store/sqlite/migrations.ts';
import { connect, freshDatabase } from '../support/servers/database.ts';
import { tempFolder } from '../support/tempFolder.ts';

/**
 * The schema after all migrations, column by column. Databases of earlier versions are what these files say for the migrations they
 * have had: a line may be added with a new migration, and none may change.
 */
const expected = async (name: string) =>
  (await readFile(new URL(`./schema/${name}.txt`, import.meta.url), 'utf8')).trimEnd().split('\n');

const oneLine = (text: string): string => text.trim().replaceAll(/\s+/g, ' ');

describe('the schema', () => {
  it('of a data folder is exactly the recorded one', async () => {
    const dir = await tempFolder();
    await migrateSqlite(dir);
    const db = new Database(join(dir, 'onetake.db'), { readonly: true });
    onTestFinished(() => void db.close());
    const objects = db
      .prepare<[], { sql: string }>(
        `select sql from sqlite_schema where sql is not null and name not like 'kysely_%' order by type desc, name`,
      )
      .all();
    expect(objects.map(({ sql }) => oneLine(sql))).toEqual(await expected('sqlite'));
  });

  it('of a PostgreSQL database is exactly the recorded one', async () => {
    const url = await freshDatabase();
    await migratePostgres(url);
    const client = await connect(url);
    const { rows } = await client.query<{ line: string }>(`
      select concat_ws(' ', table_name, column_name, data_type,
        case is_nullable when 'NO' then 'not null' end, 'default ' || column_default) as line,
        1 as part, table_name || to_char(ordinal_position, '000') as place
      from information_schema.columns where table_schema = 'public' and table_name not like 'kysely_%'
      union all
      select concat_ws(' ', conrelid::regclass::text, pg_get_constraintdef(oid)), 2, conrelid::regclass::text || conname
      from pg_constraint where connamespace = 'public'::regnamespace and contype <> 'n'
        and conrelid::regclass::text not like 'kysely_%'
      union all
      select indexdef, 3, indexname from pg_indexes where schemaname = 'public' and tablename not like 'kysely_%'
      union all
      select concat_ws(' ', 'sequence', sequencename, data_type::text), 4, sequencename from pg_sequences where schemaname = 'public'
      union all
      select concat_ws(' ', 'function', proname, pg_get_function_arguments(oid), 'returns', pg_get_function_result(oid)), 5, proname
      from pg_proc where pronamespace = 'public'::regnamespace
      order by part, place`);
    expect(rows.map(({ line }) => oneLine(line))).toEqual(await expected('postgres'));
  });
});
