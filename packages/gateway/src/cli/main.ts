import { parseArgs } from 'node:util';
import { OnetakeError } from '../tasks/errors.ts';
import { backupCommand } from './backup.ts';
import { importCommand } from './import.ts';
import { keysCommand } from './keys.ts';
import { migrateCommand } from './migrate.ts';
import { recoverCommand } from './recover.ts';
import { serve } from './serve.ts';

const USAGE = `Usage: onetake <command>

  serve                                   run the gateway
  keys create --name NAME [--project P] [--admin] [--expires-in-days N]
                                          make an API key and show it, once
  keys list                               list keys
  keys revoke ID [--force]                make a key stop working; the last admin key only with --force
  migrate [--check]                       bring the database up to date, as a start does; with --check only
                                          tell, and exit with 1 if something is to be done
  backup --to DIR                         copy the embedded store and its media, beside a running gateway
  recover                                 after a restore from a backup, before the first start: nothing that may have
                                          been submitted since the backup is submitted again
  import --from DIR [--allow-missing-media]
                                          move an embedded data folder into PostgreSQL and the configured storage

Settings come from the environment and onetake.yaml: see docs/settings.md.
`;

/** The command line. Exit code 2 means that the command or a setting was wrong, 1 that it failed. */
async function main([command, ...rest]: readonly string[]): Promise<number> {
  switch (command) {
    case 'serve':
      parseArgs({ args: rest });
      return serve();
    case 'keys':
      return keysCommand(rest);
    case 'migrate':
      return migrateCommand(rest);
    case 'backup':
      return backupCommand(rest);
    case 'import':
      return importCommand(rest);
    case 'recover':
      return recoverCommand(rest);
    case 'help':
    case '--help':
    case '-h':
      process.stdout.write(USAGE);
      return 0;
    default:
      process.stderr.write(`${command === undefined ? '' : `There is no command "${command}".\n\n`}${USAGE}`);
      return 2;
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  const mistaken = error instanceof OnetakeError ? error.status < 500 : code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(
    `${error instanceof Error ? (code === undefined ? error.stack : error.message) : String(error)}\n`,
  );
  process.exitCode = mistaken ? 2 : 1;
  // A pipe that nobody reads would keep the process for ever.
  if (process.argv[2] === 'serve') process.exit();
}
