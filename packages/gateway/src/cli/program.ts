import { Argument, Command, CommanderError, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { OnetakeError } from '../tasks/errors.ts';
import { VERSION } from '../version.ts';
import { completionScript, SHELLS } from './completion.ts';
import { EXIT } from './exitCodes.ts';
import { commandLine, npmHint, withoutNpm } from './npm.ts';
import { operatorCommands } from './operator/commands.ts';
import { remoteCommands } from './remote/commands.ts';
import { checkValues, explaining, pathOf, showHelp, usageErrorOf, withExamples } from './usage.ts';

/**
 * The whole command line. It only declares: the code of a command is loaded when the command runs, because most start in a tenth of the
 * time that a gateway takes.
 */
export function createProgram(): Command {
  const program = newProgram('onetake').description(
    'Makes videos with any model through a gateway, and runs the gateway.',
  );
  remoteCommands(program);
  operatorCommands(program);
  completion(program);
  program
    .command('version', { hidden: true })
    .action(() => void process.stdout.write(`onetake ${VERSION}\n`));
  program.addHelpText(
    'after',
    '\nonetake help COMMAND shows the options and examples of a command.\n' +
      'Settings of a gateway come from the environment and onetake.yaml: see docs/settings.md.',
  );
  return program;
}

function completion(program: Command): void {
  const command = program
    .command('completion')
    .description('print a script with which a shell completes commands and options')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .exitOverride(explaining({ missingArgument: 'Say for which shell: bash, zsh or fish.' }))
    .action(async (shell) => {
      const { BUILT_IN } = await import('../catalogue/entries/index.ts');
      const models = BUILT_IN.map(({ id }) => id);
      process.stdout.write(completionScript(program, shell, models));
    });
  withExamples(
    command,
    'completion bash > ~/.local/share/bash-completion/completions/onetake',
    'completion zsh > ~/.onetake.zsh    # and in ~/.zshrc: source ~/.onetake.zsh',
    'completion fish > ~/.config/fish/completions/onetake.fish',
  );
}

/** A program whose errors are thrown, and printed by `runProgram`. */
export function newProgram(name: string): Command {
  return new Command(name)
    .version(`onetake ${VERSION}`, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show the help of a command')
    .configureOutput({ writeErr: () => undefined })
    .exitOverride();
}

/** Runs what was typed, and sets the exit code of the process. Errors in it are printed with the usage of the command; others are thrown. */
export async function runProgram(
  program: Command,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const isHelp = args[0] === 'help' && program.commands.length > 0;
  const { command, words } = commandOf(program, isHelp ? args.slice(1) : args);
  const typed = { options: command.options, words, operands: command.registeredArguments.length, env };
  try {
    // commander's own takes one word, and ignores the others.
    if (isHelp) return showHelp(command, args.slice(1 + words));
    const restored = withoutNpm(args, typed);
    checkValues(command.options, restored.slice(words));
    await program.parseAsync(restored, { from: 'user' });
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return;
    const error =
      thrown instanceof CommanderError ? usageErrorOf(thrown, command, args.slice(words)) : thrown;
    if (!(error instanceof OnetakeError) || error.code !== 'usage') throw thrown;
    const hint = error.message.includes('npm') ? undefined : npmHint(args, typed);
    const lines = [error.message, hint].filter(Boolean).map((line) => `${line}\n`);
    process.stderr.write(
      lines.length === 0 ? command.helpInformation() : [...lines, briefUsage(command, env)].join('\n'),
    );
    process.exitCode = EXIT.mistaken;
  }
}

/** The whole help would push the message out of sight. */
function briefUsage(command: CommandUnknownOpts, env: NodeJS.ProcessEnv): string {
  const more = commandLine(['help', pathOf(command)].filter(Boolean).join(' '), env);
  return `Usage: ${command.createHelp().commandUsage(command)}\n${more} shows more.\n`;
}

/** The command that was typed, as far as there is one, and the number of its words. */
export function commandOf(
  program: Command,
  args: readonly string[],
): { readonly command: CommandUnknownOpts; readonly words: number } {
  let command: CommandUnknownOpts = program;
  let words = 0;
  for (const arg of args) {
    const next: CommandUnknownOpts | undefined = command.commands.find((one) => one.name() === arg);
    if (!next) break;
    command = next;
    words += 1;
  }
  return { command, words };
}
