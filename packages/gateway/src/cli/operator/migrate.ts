import { readLocalConfig } from '../../config/config.ts';
import { migratePostgres, pendingInPostgres } from '../../store/postgres/migrations.ts';
import { migrateSqlite, pendingInSqlite } from '../../store/sqlite/migrations.ts';

/** `onetake migrate [--check]`: applies pending migrations, or lists them. */
export async function migrateCommand({ check }: { readonly check?: true | undefined }): Promise<number> {
  const { databaseUrl, dataDir } = readLocalConfig(process.env);
  const [pending, apply] =
    databaseUrl === undefined
      ? ([() => pendingInSqlite(dataDir), () => migrateSqlite(dataDir)] as const)
      : ([() => pendingInPostgres(databaseUrl), () => migratePostgres(databaseUrl)] as const);

  if (check) {
    const names = await pending();
    process.stdout.write(
      names.length === 0
        ? 'The database is up to date.\n'
        : `Pending, to be applied by "onetake migrate" or the next start: ${names.join(', ')}.\n`,
    );
    return names.length === 0 ? 0 : 1;
  }
  const names = await apply();
  process.stdout.write(
    names.length === 0 ? 'The database is already up to date.\n' : `Applied ${names.join(', ')}.\n`,
  );
  return 0;
}
