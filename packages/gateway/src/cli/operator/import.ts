import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { checkLocalConfig, type LocalConfig } from '../../config/config.ts';
import { createFileStorage } from '../../media/files/storage.ts';
import { openMedia } from '../../media/open.ts';
import { createLog } from '../../observability/log.ts';
import { lockFolder } from '../../store/folder/lock.ts';
import { MOVED, markFolder, refuseBackupFolder } from '../../store/folder/marks.ts';
import { type FolderRows, readFolderRows } from '../../store/folder/rows.ts';
import { importSqlite, refuseImport } from '../../store/importSqlite.ts';
import { unusableDatabase } from '../../store/postgres/errors.ts';
import { migratePostgres } from '../../store/postgres/migrations.ts';
import { connectionTo } from '../../store/postgres/url.ts';
import { openSqliteFile, sqlitePath } from '../../store/sqlite/file.ts';
import { retryWhileLocked } from '../../store/sqlite/locked.ts';
import { migrateSqlite } from '../../store/sqlite/migrations.ts';
import { invalidRequest, OnetakeError } from '../../tasks/errors.ts';
import { newId } from '../../tasks/ids.ts';
import { systemClock } from '../../time/clock.ts';
import { usageError } from '../usage.ts';
import { type CopiedMedia, copyMedia } from './copyMedia.ts';
import { commandLog } from './store.ts';

/** Number of missing objects named in the error. */
const SHOWN = 5;
/** The name of the secret that a bucket is claimed with. */
const INSTALLATION = 'installation';

interface Wishes {
  readonly from?: string | undefined;
  readonly allowMissingMedia?: boolean | undefined;
}

/**
 * `onetake import --from DIR`: moves an embedded data folder into the database of ONETAKE_DATABASE_URL, and its media into the
 * configured storage. The folder is then marked as moved, because a gateway that drove its tasks again would submit them twice.
 */
export async function importCommand({
  from,
  allowMissingMedia: allowMissing = false,
}: Wishes): Promise<void> {
  if (from === undefined) throw usageError('Name the data folder: onetake import --from DIR.');
  const config = await checkLocalConfig(process.env);
  const url = config.databaseSessionUrl ?? config.databaseUrl;
  if (url === undefined) throw invalidRequest('Set ONETAKE_DATABASE_URL: the database to import into.');
  if (!existsSync(sqlitePath(from))) {
    throw invalidRequest(`There is no onetake.db in ${from}; name a data folder: onetake import --from DIR.`);
  }

  const lock = lockFolder(from);
  try {
    refuseBackupFolder(from);
    await migrateSqlite(from);
    await migratePostgres(url);
    const target = await connect(url);
    try {
      await moveFolder({ from, target, config, allowMissing });
    } finally {
      await target.end();
    }
  } finally {
    lock.release();
  }
}

async function connect(url: string): Promise<Client> {
  const client = new Client({ ...connectionTo(url), application_name: 'onetake import', keepAlive: true });
  // A lost connection makes the next query fail. Without a listener the event would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    throw unusableDatabase(url, error);
  }
}

interface MoveParts {
  readonly from: string;
  readonly target: Client;
  readonly config: LocalConfig;
  readonly allowMissing: boolean;
}

async function moveFolder({ from, target, config, allowMissing }: MoveParts): Promise<void> {
  const source = readFolderRows(sqlitePath(from));
  try {
    await refuseImport(target, secretOf(source));
    const installation = await installationOf(from, source, target);

    // The bytes come first, so that a gateway that finds the rows also finds their files.
    const files = createFileStorage({ root: join(from, 'media') });
    const { storage } = await openMedia(config, {
      installation: async () => installation,
      clock: systemClock,
      log: createLog(config.logLevel),
    });
    const media = await copyMedia(source.mediaKeys(), files, storage);
    if (media.missing.length > 0 && !allowMissing) throw missingMedia(from, media);

    const moved = await importSqlite({
      source,
      target,
      installation,
      giveUp: () =>
        markFolder(from, MOVED, `Moved into a PostgreSQL database on ${new Date().toISOString()}.`),
      onTable: (table, rows) => report(rows, table),
      onSetAside: (table, { id, task_id, name }, reason) =>
        commandLog.error(
          { event: 'store.row_unreadable', table, id: id ?? task_id ?? name, reason },
          'the database cannot hold this row; it stays in the folder',
        ),
    });
    if (!moved) {
      process.stderr.write(`${from} has already been imported into this database; nothing was changed.\n`);
      return;
    }
    await target.query('analyze');
    report(media.copied, 'media objects copied');
    report(media.present, 'media objects already present');
    if (media.missing.length > 0) report(media.missing.length, 'media objects missing');
    process.stderr.write(
      `Done. Start gateways with ONETAKE_DATABASE_URL from now on; no gateway starts on ${from} any more.\n`,
    );
  } finally {
    source.close();
  }
}

const secretOf = (source: FolderRows): string | undefined =>
  source.get('select value from secrets where name = ?', INSTALLATION)?.value?.toString();

/**
 * The id of the installation, with which the bucket is claimed. It is that of the folder. If the folder has none, it is that of the
 * database, whose bucket may already be claimed. It is then stored in the folder, so that a repeated import uses the same one.
 */
async function installationOf(from: string, source: FolderRows, target: Client): Promise<string> {
  const own = secretOf(source);
  if (own !== undefined) return own;
  const { rows } = await target.query<{ value: string }>('select value from secrets where name = $1', [
    INSTALLATION,
  ]);
  const installation = rows[0]?.value ?? newId();
  const db = await openSqliteFile(from);
  try {
    const insert = db.prepare('insert into secrets (name, value) values (?, ?)');
    await retryWhileLocked(() => insert.run(INSTALLATION, installation));
  } finally {
    db.close();
  }
  return installation;
}

function missingMedia(from: string, { missing }: CopiedMedia): OnetakeError {
  const some = missing.slice(0, SHOWN).join(', ');
  const message =
    `${missing.length} media objects are neither in ${join(from, 'media')} nor in the configured storage (${some}${missing.length > SHOWN ? ', …' : ''}). ` +
    'Nothing was moved. If the folder kept its media in another bucket, set that one; if they are lost, add --allow-missing-media.';
  return new OnetakeError('media_missing', 409, message);
}

const report = (count: number, what: string): void =>
  void process.stderr.write(`${String(count).padStart(9)}  ${what}\n`);
