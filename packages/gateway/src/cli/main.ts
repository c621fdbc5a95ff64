#!/usr/bin/env node
import { OnetakeError } from '../tasks/errors.ts';
import { VERSION } from '../version.ts';
import { accountsCommand } from './accounts.ts';
import { asksFor, npmHint, type Options, readOptions, withoutNpm } from './arguments.ts';
import { BACKUP_OPTIONS, backupCommand } from './backup.ts';
import { DEMO_OPTIONS, demoCommand } from './demo.ts';
import { DOCTOR_OPTIONS, doctorCommand } from './doctor.ts';
import { IMPORT_OPTIONS, importCommand } from './import.ts';
import { KEYS_OPTIONS, keysCommand } from './keys.ts';
import { MCP_OPTIONS, mcpCommand } from './mcp.ts';
import { MIGRATE_OPTIONS, migrateCommand } from './migrate.ts';
import { providersCommand } from './providers.ts';
import { RECOVER_OPTIONS, recoverCommand } from './recover.ts';
import { serve } from './serve.ts';

interface Command {
  /** The forms of the command as typed after `onetake `, each with the lines of its description. */
  readonly forms: readonly (readonly [form: string, ...what: string[]])[];
  readonly options: Options;
  /** Number of words in the command itself: `keys create` has two. */
  readonly words: number;
  run(args: readonly string[]): Promise<number>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: {
    forms: [['serve', 'run the gateway until SIGTERM or Ctrl-C']],
    options: {},
    words: 1,
    run(args) {
      readOptions(args, {});
      return serve();
    },
  },
  demo: {
    forms: [
      [
        'demo ["a prompt"] [--duration 4] [--resolution 720p] [--ratio 16:9] [--seed 7] [--audio]',
        'make a video with the built-in renderer, by a gateway of its own; needs no API key',
      ],
    ],
    options: DEMO_OPTIONS,
    // The prompt is one of them.
    words: 2,
    run: demoCommand,
  },
  doctor: {
    forms: [
      [
        'doctor [--json]',
        'check settings, store, bucket, accounts and callbacks; a gateway may be running.',
        'Submits nothing; exits with 1 if there is a problem',
      ],
    ],
    options: DOCTOR_OPTIONS,
    words: 1,
    run: doctorCommand,
  },
  keys: {
    forms: [
      [
        'keys create --name NAME [--project P] [--admin] [--expires-in-days N]',
        'create an API key and show it once',
      ],
      ['keys list', 'list keys'],
      ['keys revoke ID [--force]', 'revoke a key; the last admin key only with --force'],
    ],
    options: KEYS_OPTIONS,
    words: 2,
    run: keysCommand,
  },
  accounts: {
    forms: [
      ['accounts list', 'list upstream accounts: jobs in flight, and why an account is blocked'],
      ['accounts retry [ID]', 'try a blocked account again; without ID, all blocked accounts'],
    ],
    options: {},
    words: 2,
    run: accountsCommand,
  },
  mcp: {
    forms: [
      [
        'mcp [--url URL] [--api-key KEY]',
        'tools for agents over standard input and output (Model Context Protocol);',
        'by default ONETAKE_URL and ONETAKE_API_KEY. A gateway also has them at /mcp',
      ],
    ],
    options: MCP_OPTIONS,
    words: 1,
    run: mcpCommand,
  },
  providers: {
    forms: [
      [
        'providers test FILE',
        'check a file that declares a provider, show what it sends for each model,',
        'and run its examples; sends nothing to the provider',
      ],
    ],
    options: {},
    words: 2,
    run: providersCommand,
  },
  migrate: {
    forms: [
      [
        'migrate [--check]',
        'apply pending migrations, as a start does; --check only lists them,',
        'and exits with 1 if there are any',
      ],
    ],
    options: MIGRATE_OPTIONS,
    words: 1,
    run: migrateCommand,
  },
  backup: {
    forms: [['backup --to DIR', 'copy the embedded store and its media; a gateway may be running']],
    options: BACKUP_OPTIONS,
    words: 1,
    run: backupCommand,
  },
  recover: {
    forms: [
      [
        'recover [--json]',
        'run after a restore from a backup, before the first start: fails the tasks that',
        'may have been submitted since the backup instead of submitting them again',
      ],
    ],
    options: RECOVER_OPTIONS,
    words: 1,
    run: recoverCommand,
  },
  import: {
    forms: [
      [
        'import --from DIR [--allow-missing-media]',
        'move an embedded data folder into PostgreSQL and the configured storage',
      ],
    ],
    options: IMPORT_OPTIONS,
    words: 1,
    run: importCommand,
  },
};

/** The column where the description of a form begins. */
const COLUMN = 40;

function formText([form, ...what]: Command['forms'][number]): string {
  const indent = ' '.repeat(COLUMN);
  const lines = what.map((line) => `${indent}${line}`);
  const head = `  ${form}`;
  if (head.length >= COLUMN - 1) return [head, ...lines].join('\n');
  return [`${head.padEnd(COLUMN)}${what[0]}`, ...lines.slice(1)].join('\n');
}

function usage(command?: Command): string {
  const commands = command ? [command] : Object.values(COMMANDS);
  const forms = commands.flatMap(({ forms }) => forms.map(formText)).join('\n');
  return `Usage: onetake <command>

${forms}

  --help, --version                     show the help of a command, or the version

Settings come from the environment and onetake.yaml: see docs/settings.md.
`;
}

/** Runs the command line. Exit code 2 means that the arguments or settings were wrong, 1 that the command failed. */
async function main(typed: readonly string[]): Promise<number> {
  const [name] = typed;
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (name === 'version' || asksFor(typed, '--version', '-V')) {
    process.stdout.write(`onetake ${VERSION}\n`);
    return 0;
  }
  if (name === 'help' || asksFor(typed, '--help', '-h')) {
    const about = name === 'help' ? COMMANDS[typed[1] ?? ''] : command;
    process.stdout.write(usage(about));
    return 0;
  }
  if (!command) {
    process.stderr.write(name === undefined ? usage() : `There is no command "${name}".\n\n${usage()}`);
    return 2;
  }
  const { options, words } = command;
  try {
    return await command.run(withoutNpm(typed, { options, words, env: process.env }).slice(1));
  } catch (error) {
    if (!(error instanceof OnetakeError) || error.code !== 'usage') throw error;
    const hint = error.message.includes('npm')
      ? undefined
      : npmHint(typed, { options, words, env: process.env });
    process.stderr.write(`${error.message}${hint === undefined ? '' : `\n${hint}`}\n\n${usage(command)}`);
    return 2;
  }
}

// Only the user of this process may read the files it creates: they contain prompts, videos and keys.
process.umask(0o077);

// Errors of standard error cannot be reported anywhere.
process.stderr.on('error', () => undefined);
const serving = process.argv[2] === 'serve';
if (!serving) {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // EPIPE is normal: the reader has closed the pipe, as `head` does.
    if (error.code !== 'EPIPE') process.stderr.write(`Standard output cannot be written: ${error.message}\n`);
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  const mistaken = error instanceof OnetakeError && error.status < 500;
  process.stderr.write(
    `${error instanceof Error ? (code === undefined ? error.stack : error.message) : String(error)}\n`,
  );
  process.exitCode = mistaken ? 2 : 1;
  // Otherwise a pipe that nobody reads would keep the process alive.
  if (serving) process.exit();
}
