import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { describe, expect, it } from 'vitest';
import { commandLine, withoutNpm } from '../../src/cli/npm.ts';
import { commandOf, createProgram, runProgram } from '../../src/cli/program.ts';
import { VERSION } from '../../src/version.ts';
import { CLI, onetake } from '../support/processes/commandLine.ts';
import { tempFolder } from '../support/tempFolder.ts';

const COMMANDS = ['serve', 'keys', 'accounts', 'migrate', 'backup', 'recover', 'import'];
const CREATE = commandOf(createProgram(), ['keys', 'create']).command;
/** As npm sets it for `npm run onetake`. */
const NPM = { npm_lifecycle_event: 'onetake', npm_lifecycle_script: 'node scripts/run.mjs onetake' };

async function typed(env: Readonly<Record<string, string>>, line: string) {
  const dataDir = join(await tempFolder(), 'data');
  const ended = await onetake({ ONETAKE_DATA_DIR: dataDir, ...env }, ...line.split(' ').filter(Boolean));
  return { ...ended, made: existsSync(dataDir) };
}

describe('help', () => {
  it('has examples for every command', () => {
    const leaves = (command: CommandUnknownOpts): CommandUnknownOpts[] =>
      command.commands.length === 0 ? [command] : [command, ...command.commands.flatMap(leaves)];
    const [program, ...commands] = leaves(createProgram());
    const without = commands.filter((command) => {
      let help = '';
      command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
      return !help.includes(
        `Examples:\n  $ onetake ${command.parent === program ? '' : command.parent?.name()}`,
      );
    });
    expect(without.map((command) => command.name())).toEqual(['version']);
  });

  it.each(['--help', 'help', 'help --help', 'keys create -h', 'help keys create', 'serve --help'])(
    '%s',
    async (line) => {
      const { code, stdout, stderr, made } = await typed({}, line);
      expect({ code, stderr, made }).toEqual({ code: 0, stderr: '', made: false });
      expect(stdout).toMatch(/^Usage: onetake/);
      if (line.includes('keys')) expect(stdout).toMatch(/^Usage: onetake keys create /);
      else if (!line.includes('serve'))
        for (const command of COMMANDS) expect(stdout).toContain(`  ${command} `);
    },
  );

  it.each(['--version', 'backup -V'])('%s', async (line) => {
    expect(await typed({}, line)).toMatchObject({ code: 0, stdout: `onetake ${VERSION}\n`, made: false });
  });
});

describe('a usage error is one line, followed by the usage', () => {
  it.each([
    ['', /^Usage/],
    [
      'sevre',
      /^There is no command "sevre"; did you mean serve\?\n\nUsage: onetake \[options\] \[command\]\n/,
    ],
    ['xyzzy', /^There is no command "xyzzy"\.\n\nUsage/],
    [
      'serve --port 1',
      /^serve takes no options: settings .* ONETAKE_PORT=.*\n\nUsage: onetake serve \[options\]\nonetake help serve shows more\.\n$/,
    ],
    ['keys craete', /^There is no "keys craete"; did you mean keys create\?\n/],
    ['keys', /^Say what to do with keys: create, list, set, rotate or revoke\.\n/],
    ['keys create --name', /^Option '--name <name>' argument missing\.\n/],
    ['keys create --nmae x', /^Unknown option '--nmae'\. Did you mean --name\?\n/],
    ['keys create', /^Give the key a name: /],
    ['keys revoke', /^Say which key: /],
    ['keys list all', /^Unexpected argument 'all'\.\n/],
    ['accounts', /^Say what to do with accounts/],
    ['accounts tyr', /^There is no "accounts tyr"; use accounts list or accounts retry\.\n/],
    ['accounts retry a b', /^Name one account/],
    ['backup', /^Say where to/],
    ['recover --jsn', /^Unknown option '--jsn'\. Did you mean --json\?\n/],
    ['import', /^Name the data folder/],
    ['providers test', /^Name one file/],
    ['help nosuch', /^There is no command "nosuch"\.\n\nUsage: onetake \[options\] \[command\]\n/],
    ['help genrate', /^There is no command "genrate"; did you mean generate\?\n/],
    ['help keys craete', /^There is no "keys craete"; did you mean keys create\?\n\nUsage: onetake keys /],
    ['help backup now', /^Unexpected argument 'now'\.\n\nUsage: onetake backup /],
  ])('onetake %s', async (line, message) => {
    const { code, stderr, stdout, made } = await typed({}, line);
    expect({ code, stdout, made }).toEqual({ code: 2, stdout: '', made: false });
    expect(stderr).toMatch(message);
    expect(stderr).toContain('Usage: onetake');
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});

describe('an option is not the value of another one', () => {
  it.each([
    ['backup --to --json', '--to=--json'],
    ['import --from --allow-missing-media', '--from=--allow-missing-media'],
    ['generate fox -m some -o --json', '--output=--json'],
    ['generate -m some -o -- fox', '--output=--'],
    ['wait some -o -h', '--output=-h'],
    ['keys create --name --admn', '--name=--admn'],
    ['list --metadata -mveo', '--metadata=-mveo'],
  ])('onetake %s', async (line, joined) => {
    const { code, stdout, stderr, made } = await typed({}, line);
    expect({ code, stdout, made }).toEqual({ code: 2, stdout: '', made: false });
    expect(stderr).toMatch(/^Option '.*' has no value: what follows it looks like another option\. /);
    expect(stderr).toContain(`If it is the value, write ${joined}\n`);
  });

  it('but what is joined to it, and what begins with a dash and is none, is its value', async () => {
    const program = createProgram();
    const taken: unknown[] = [];
    commandOf(program, ['generate']).command.action((...[, options]) => void taken.push(options));
    const line = [
      'generate',
      'a fox',
      '--output=--json',
      '--seed',
      '-1',
      '--negative-prompt',
      '- rain',
      '-d',
      '-',
    ];
    await runProgram(program, line, {});
    expect(taken).toEqual([{ output: '--json', seed: '-1', negativePrompt: '- rain', duration: '-' }]);
  });
});

it('a command in a message is what its reader can type', () => {
  expect(commandLine('keys list', NPM)).toBe('npm run onetake -- keys list');
  expect(commandLine('keys list', { npm_lifecycle_script: 'node other.mjs' })).toBe('onetake keys list');
  expect(commandLine('keys list', {})).toBe('onetake keys list');
});

describe('arguments that npm takes for itself if the -- is missing', () => {
  it('are used: npm run onetake keys create --name x', async () => {
    const made = await typed({ ...NPM, npm_config_name: 'x' }, 'keys create');
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^sk-/) });
  });

  const of = (args: readonly string[], env: Record<string, string>) =>
    withoutNpm(args, { options: CREATE.options, words: 2, operands: 0, env: { ...NPM, ...env } });

  it('are used with a flag, and with a value that npm has converted', () => {
    expect(of(['keys', 'create'], { npm_config_name: 'x', npm_config_admin: 'true' })).toEqual([
      ...['keys', 'create', '--name=x', '--admin'],
    ]);
    expect(
      of(['keys', 'create', '30'], { npm_config_name: 'x', npm_config_expires_in_days: 'true' }),
    ).toEqual([...['keys', 'create', '--expires-in-days=30', '--name=x']]);
  });

  it('are used if they negate another one', () => {
    const { options } = commandOf(createProgram(), ['generate']).command;
    const env = { ...NPM, npm_config_audio: '' };
    expect(withoutNpm(['generate', 'x'], { options, words: 1, operands: 1, env })).toEqual([
      'generate',
      'x',
      '--no-audio',
    ]);
  });

  it('are reported with the right command line if they cannot be reconstructed', () => {
    expect(() =>
      of(['keys', 'create', '5', 'p'], { npm_config_project: 'true', npm_config_expires_in_days: 'true' }),
    ).toThrow(/npm run onetake -- keys create/);
  });

  it.each([
    // As npm 11 passes --project=a --project=b, --project=, --admin=maybe, and --expires-in-days -- --name x.
    ['repeated', [], { npm_config_project: 'a\n\nb' }],
    ['empty', [], { npm_config_project: '' }],
    ['a flag with a value', [], { npm_config_admin: 'maybe' }],
    ['beside others', ['--name', 'x'], { npm_config_expires_in_days: 'true' }],
    ['misspelt', [], { npm_config_name: 'x', npm_config_projct: 'y' }],
  ])('are reported if they are %s', (_, args, env) => {
    expect(() => of(['keys', 'create', ...args], env)).toThrow(
      /^npm has consumed --.*\nWith npm, a -- comes before the arguments: npm run onetake -- keys create …$/,
    );
  });

  const GENERATE = commandOf(createProgram(), ['generate']).command;
  const generated = (args: readonly string[], env: Record<string, string>) => {
    const typedHere = { options: GENERATE.options, words: 1, operands: 1, env: { ...NPM, ...env } };
    return withoutNpm(['generate', ...args], typedHere);
  };

  it.each([
    ['--output fox.mp4 "a fox"', ['fox.mp4', 'a fox'], { npm_config_output: 'true' }],
    ['"a fox" --negative-prompt rain', ['a fox', 'rain'], { npm_config_negative_prompt: 'true' }],
    ['--duration 1 "a fox"', ['1', 'a fox'], { npm_config_duration: 'true' }],
    ['"a fox" --duration -1', ['a fox'], { npm_config_duration: 'true', npm_config_1: 'true' }],
    ['-o fox.mp4', ['fox.mp4'], { npm_config_o: 'true' }],
    ['"a fox" --durtion=8', ['a fox'], { npm_config_durtion: '8' }],
  ])('are reported if what they say cannot be told from the operands: generate %s', (_, args, env) => {
    expect(() => generated(args, { npm_config_model: 'some', ...env })).toThrow(
      /^npm has consumed --?\w.*\nWith npm, .* npm run onetake -- generate …$/,
    );
  });

  it('are not confused with the configuration of npm', () => {
    const own = {
      npm_config_audit: '',
      npm_config_all: 'true',
      npm_config_message: 'v%s',
      npm_config_json: 'true',
    };
    expect(generated(['a fox'], { npm_config_model: 'some', ...own })).toEqual([
      'generate',
      'a fox',
      '--model=some',
    ]);
  });

  it('are ignored outside npm, and if the argument was passed through', () => {
    const env = { npm_config_name: 'x' };
    expect(withoutNpm(['keys'], { options: CREATE.options, words: 2, operands: 0, env })).toEqual(['keys']);
    expect(of(['keys', 'create', '--name=y'], env)).toEqual(['keys', 'create', '--name=y']);
  });

  it.each([
    ['backup', { npm_config_too: 'x' }, 'backup'],
    ['keys create', { npm_config_nmae: 'x' }, 'keys create'],
    ['keys create x', { npm_config_nmae: 'true' }, 'keys create'],
    // -m, which npm takes for its --message.
    ['generate x', { npm_config_message: 'onetake-preview' }, 'generate'],
  ])('are mentioned if npm has consumed one like them: %s %j', async (line, env, said) => {
    const { code, stderr } = await typed({ ...NPM, ...env }, line);
    expect(code).toBe(2);
    expect(stderr).toContain(`With npm, a -- comes before the arguments: npm run onetake -- ${said} …`);
  });

  it.each(['keys craete', 'keys', 'keys create', 'accounts', 'backup'])(
    'are not mentioned if npm has consumed nothing: %s',
    async (line) => {
      const { stderr } = await typed({ ...NPM, npm_config_prefix: '.', npm_config_cache: 'x' }, line);
      expect(stderr).not.toContain('With npm');
    },
  );
});

it('a key that cannot be printed is reported, and the command fails', async () => {
  const { code, stderr } = await onetakeInto('/dev/full', 'keys', 'create', '--name', 'x');
  expect(stderr).toMatch(/Standard output cannot be written: ENOSPC/);
  expect(code).toBe(1);
});

it('a Node that is too old is named before anything is imported that it does not have', async () => {
  const old = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })`;
  const pretend = `--import=data:text/javascript,${encodeURIComponent(old)}`;
  const ended = await onetake({ NODE_OPTIONS: pretend }, 'models');
  expect(ended).toMatchObject({
    code: 2,
    stdout: '',
    stderr: 'onetake needs Node 24 or newer; this is 20.20.2.\n',
  });
  expect(await readFile(CLI, 'utf8')).not.toMatch(/^(?:import|export) /m);
});

async function onetakeInto(device: string, ...args: readonly string[]) {
  const { spawnSync } = await import('node:child_process');
  const { openSync, closeSync } = await import('node:fs');
  const fd = openSync(device, 'w');
  const ended = spawnSync(process.execPath, [CLI, ...args], {
    env: { PATH: process.env.PATH, ONETAKE_DATA_DIR: join(await tempFolder(), 'data') },
    stdio: ['ignore', fd, 'pipe'],
    encoding: 'utf8',
  });
  closeSync(fd);
  return { code: ended.status, stderr: ended.stderr };
}
