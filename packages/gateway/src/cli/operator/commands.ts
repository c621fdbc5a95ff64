import type { Command } from '@commander-js/extra-typings';
import { DEMO_PROMPT, withDemoOptions } from '../demo/options.ts';
import { explaining, withExamples } from '../usage.ts';

/** The commands for those who run a gateway. */
export function operatorCommands(program: Command): void {
  program.commandsGroup('Run a gateway:');
  const commands = [
    serve(program),
    demo(program),
    doctor(program),
    keys(program),
    projects(program),
    accounts(program),
    providers(program),
    migrate(program),
    backup(program),
    recover(program),
    importFolder(program),
  ];
  // Only the user of this process may read the files it creates: they contain prompts, videos and keys.
  for (const command of commands) command.hook('preAction', () => void process.umask(0o077));
}

const SETTINGS_ARE =
  'settings come from the environment, such as ONETAKE_PORT=9000, and from onetake.yaml; docs/settings.md has all of them.';

function serve(program: Command) {
  const command = program
    .command('serve')
    .description('run the gateway until SIGTERM or Ctrl-C')
    .addHelpText('after', `\n${SETTINGS_ARE}`)
    .exitOverride(explaining({ unknownOption: `serve takes no options: ${SETTINGS_ARE}` }))
    .action(async () => (await import('./serve.ts')).serve());
  return withExamples(command, 'serve');
}

function demo(program: Command) {
  const command = withDemoOptions(program.command('demo'))
    .description('make a video with the built-in renderer, by a gateway of its own; needs no API key')
    .action(async (words, options) => (await import('../demo/demo.ts')).demoCommand(words, options));
  return withExamples(
    command,
    `demo "${DEMO_PROMPT}"`,
    'demo "a lighthouse" --duration 8 --resolution 1080p',
  );
}

function doctor(program: Command) {
  const command = program
    .command('doctor')
    .description(
      'check settings, store, bucket, accounts and callbacks; a gateway may be running. Submits nothing; exits with 1 if there is a problem',
    )
    .option('--json', 'the report as JSON')
    .action(async (options) => {
      process.exitCode = await (await import('./doctor.ts')).doctorCommand(options);
    });
  return withExamples(command, 'doctor', 'doctor --json');
}

function keys(program: Command) {
  const group = program
    .command('keys')
    .description('create, list, change, rotate and revoke API keys')
    .helpCommand(false);
  const create = withAllowance(group.command('create'))
    .description('create an API key and show it once')
    .option('--name <name>', 'what it is for; required')
    .option('--project <project>', 'the project that its tasks belong to')
    .option('--admin', 'it may also create and revoke keys')
    .option('--expires-in-days <days>', 'when it stops working')
    .option('--scopes <scopes>', 'what it may do, with commas: generate, read, admin, billing')
    .option('--models <globs>', 'the models that it may use, with commas: "veo-*,sora-2"')
    .action(async (options) => (await import('./keys.ts')).createKey(options));
  withExamples(
    create,
    'keys create --name "my app"',
    'keys create --name ci --project tests --expires-in-days 30',
  );
  const list = group
    .command('list')
    .description('list keys')
    .action(async () => (await import('./keys.ts')).listKeys());
  withExamples(list, 'keys list');
  const set = withAllowance(group.command('set'))
    .description('change a key; "none" takes a limit, a restriction or an expiry away')
    .argument('<id>', 'as keys list shows it')
    .option('--name <name>', 'what it is for')
    .option('--scopes <scopes>', 'what it may do, with commas: generate, read, admin, billing')
    .option('--models <globs>', 'the models that it may use, with commas, or none for all')
    .option('--expires-in-days <days>', 'when it stops working, or none')
    .option('--force', 'even if no key with admin scope is left')
    .action(async (id, options) => (await import('./keys.ts')).setKey(id, options));
  withExamples(set, 'keys set key_01a2130d80eb77ebb27b30bd03aa33f1 --models "veo-*" --daily-budget 20');
  const rotate = group
    .command('rotate')
    .description(
      'make a key that may do the same, and show it once; the former one expires after the overlap',
    )
    .argument('<id>', 'as keys list shows it')
    .option('--overlap-hours <hours>', 'how long both are valid; default 24')
    .action(async (id, options) => (await import('./keys.ts')).rotateKey(id, options));
  withExamples(rotate, 'keys rotate key_01a2130d80eb77ebb27b30bd03aa33f1 --overlap-hours 1');
  const revoke = group
    .command('revoke')
    .description('revoke a key; the last admin key only with --force')
    .argument('<id>', 'as keys list shows it')
    .option('--force', 'also the last admin key')
    .exitOverride(
      explaining({
        missingArgument: 'Say which key: onetake keys revoke ID (see onetake keys list).',
        excessArguments: 'Revoke one key at a time: onetake keys revoke ID.',
      }),
    )
    .action(async (id, options) => (await import('./keys.ts')).revokeKey(id, options));
  withExamples(revoke, 'keys revoke key_01a2130d80eb77ebb27b30bd03aa33f1');
  return withExamples(group, 'keys create --name "my app"', 'keys list');
}

/** What both keys and projects may have. */
const withAllowance = (command: Command) =>
  command
    .option('--requests-per-minute <count>', 'requests that it may make a minute')
    .option('--tasks-in-flight <count>', 'unfinished tasks at a time')
    .option('--daily-budget <amount>', 'what its tasks of a UTC day may cost')
    .option('--monthly-budget <amount>', 'what its tasks of a UTC month may cost')
    .option('--metadata <pairs>', 'metadata of its tasks, with commas: team=video,stage=test');

function projects(program: Command) {
  const group = program
    .command('projects')
    .description('create, list, change and archive projects')
    .helpCommand(false);
  const list = group
    .command('list')
    .description('list projects')
    .action(async () => (await import('./projects.ts')).listProjects());
  withExamples(list, 'projects list');
  const create = withAllowance(group.command('create'))
    .description('create a project')
    .argument('<id>', 'what keys name it by')
    .option('--name <name>', 'what people call it')
    .action(async (id, options) => (await import('./projects.ts')).createProject(id, options));
  withExamples(create, 'projects create studio --monthly-budget 500');
  const show = group
    .command('show')
    .description('show a project and its keys')
    .argument('<id>', 'as projects list shows it')
    .action(async (id) => (await import('./projects.ts')).showProject(id));
  withExamples(show, 'projects show studio');
  const set = withAllowance(group.command('set'))
    .description('change a project; "none" takes a limit or the metadata away')
    .argument('<id>', 'as projects list shows it')
    .option('--name <name>', 'what people call it')
    .action(async (id, options) => (await import('./projects.ts')).setProject(id, options));
  withExamples(set, 'projects set studio --tasks-in-flight 10 --daily-budget none');
  const archive = group
    .command('archive')
    .description('let a project take no new tasks; what it has goes on, and can be read')
    .argument('<id>', 'as projects list shows it')
    .option('--restore', 'let it take tasks again')
    .action(async (id, options) => (await import('./projects.ts')).archiveProject(id, options));
  withExamples(archive, 'projects archive studio', 'projects archive studio --restore');
  return withExamples(group, 'projects create studio', 'projects list');
}

function accounts(program: Command) {
  const group = program
    .command('accounts')
    .description('list upstream accounts, and try blocked ones again')
    .helpCommand(false);
  const list = group
    .command('list')
    .description('list upstream accounts: jobs in flight, and why an account is blocked')
    .action(async () => (await import('./accounts.ts')).listAccounts());
  withExamples(list, 'accounts list');
  const retry = group
    .command('retry')
    .description('try a blocked account again; without ID, all blocked accounts')
    .argument('[id]', 'as accounts list shows it')
    .exitOverride(
      explaining({
        excessArguments: 'Name one account, or none for all: onetake accounts retry [ID].',
      }),
    )
    .action(async (id) => (await import('./accounts.ts')).retryAccounts(id));
  withExamples(retry, 'accounts retry', 'accounts retry openai');
  return withExamples(group, 'accounts list', 'accounts retry openai');
}

function providers(program: Command) {
  const group = program
    .command('providers')
    .description('check a file that declares a provider')
    .helpCommand(false);
  const oneFile = 'Name one file: onetake providers test providers/mine.yaml.';
  const test = group
    .command('test')
    .description(
      'check a file that declares a provider, show what it sends for each model, and run its examples; sends nothing to the provider',
    )
    .argument('<file>')
    .exitOverride(explaining({ missingArgument: oneFile, excessArguments: oneFile }))
    .action(async (file) => {
      process.exitCode = await (await import('./providers.ts')).testProvider(file);
    });
  withExamples(test, 'providers test providers/mine.yaml');
  return withExamples(group, 'providers test providers/mine.yaml');
}

function migrate(program: Command) {
  const command = program
    .command('migrate')
    .description('apply pending migrations, as a start does')
    .option('--check', 'only list them, and exit with 1 if there are any')
    .action(async (options) => {
      process.exitCode = await (await import('./migrate.ts')).migrateCommand(options);
    });
  return withExamples(command, 'migrate --check', 'migrate');
}

function backup(program: Command) {
  const command = program
    .command('backup')
    .description('copy the embedded store and its media; a gateway may be running')
    .option(
      '--to <dir>',
      'a folder of its own, required; media of an earlier backup there is not copied again',
    )
    .action(async (options) => (await import('./backup.ts')).backupCommand(options));
  return withExamples(command, 'backup --to /mnt/backup/onetake');
}

function recover(program: Command) {
  const command = program
    .command('recover')
    .description(
      'run after a restore from a backup, before the first start: fails the tasks that may have been submitted since the backup instead of submitting them again',
    )
    .option('--json', 'the failed tasks as JSON')
    .action(async (options) => (await import('./recover.ts')).recoverCommand(options));
  return withExamples(command, 'recover', 'recover --json');
}

function importFolder(program: Command) {
  const command = program
    .command('import')
    .description('move an embedded data folder into PostgreSQL and the configured storage')
    .option('--from <dir>', 'the data folder, required; no gateway may be running on it')
    .option('--allow-missing-media', 'also if files are lost')
    .action(async (options) => (await import('./import.ts')).importCommand(options));
  return withExamples(command, 'import --from ./data');
}
