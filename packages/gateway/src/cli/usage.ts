import type { CommanderError, CommandUnknownOpts, Option } from '@commander-js/extra-typings';
import { nearest } from '../catalogue/validate/nearest.ts';
import { list, shown } from '../catalogue/words.ts';
import { OnetakeError } from '../tasks/errors.ts';

/** An error in the arguments. It is printed together with the usage of the command. */
export const usageError = (message: string): OnetakeError => new OnetakeError('usage', 400, message);

/** For `exitOverride`: says something more helpful than commander for errors of some kinds. */
export const explaining =
  (messages: Readonly<Record<string, string>>) =>
  (error: CommanderError): never => {
    const message = messages[error.code.replace('commander.', '')];
    throw message === undefined ? error : usageError(message);
  };

/** Shows examples at the end of a command's help: what is typed after `onetake`. */
export function withExamples<C extends CommandUnknownOpts>(command: C, ...lines: string[]): C {
  command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ onetake ${line}`).join('\n')}`);
  return command;
}

/** The error for what commander refuses, in whole sentences. `command` is the one that was typed, and `rest` what follows its name. */
export function usageErrorOf(error: CommanderError, command: CommandUnknownOpts, rest: readonly string[]) {
  switch (error.code) {
    case 'commander.help':
    case 'commander.unknownCommand':
      return unknownAction(command, rest[0]);
    case 'commander.excessArguments': {
      const [unexpected] = command.args.slice(command.registeredArguments.length);
      return usageError(`Unexpected argument '${unexpected}'.`);
    }
    default: {
      const [message = '', suggestion] = error.message.replace(/^error: /, '').split('\n');
      const sentence = `${message.charAt(0).toUpperCase()}${message.slice(1).replace(/\.$/, '')}.`;
      return usageError(suggestion ? `${sentence} ${suggestion.replace(/^\(|\)$/g, '')}` : sentence);
    }
  }
}

/**
 * commander takes whatever follows an option as its value, also another option. That is refused, as `util.parseArgs` does, unless it is joined
 * to the option. `rest` is what follows the name of the command.
 */
export function checkValues(options: readonly Option[], rest: readonly string[]): void {
  for (let at = 0; at < rest.length && rest[at] !== '--'; at++) {
    const option = options.find(({ required, short, long }) => required && [short, long].includes(rest[at]));
    if (!option) continue;
    at += 1;
    const value = rest[at];
    if (value !== undefined && /^-[-a-z]/i.test(value))
      throw usageError(
        `Option '${option.flags}' has no value: what follows it looks like another option. If it is the value, write ${option.long}=${value}`,
      );
  }
}

/** `onetake help` and what follows it: shows the help of the command that `rest` does not go beyond. */
export function showHelp(command: CommandUnknownOpts, rest: readonly string[]): void {
  const [beyond] = rest.filter((word) => !['-h', '--help'].includes(word));
  if (beyond === undefined) command.outputHelp();
  else if (command.commands.length > 0) throw unknownAction(command, beyond);
  else throw usageError(`Unexpected argument '${beyond}'.`);
}

/** The error for a command that is missing or unknown: one of ours, or one of the words that may follow a group such as `keys`. */
function unknownAction(group: CommandUnknownOpts, typed: string | undefined): OnetakeError {
  const known = group.createHelp().visibleCommands(group);
  const names = known.map((command) => command.name());
  const of = pathOf(group);
  if (typed === undefined)
    return usageError(of === '' ? '' : `Say what to do with ${of}: ${list(names, 'or')}.`);
  const full = (name: string) => `${of} ${name}`.trim();
  const [guess] = nearest(typed, names, 1);
  const begin = `There is no ${of === '' ? 'command ' : ''}${shown(full(typed))}`;
  if (guess !== undefined) return usageError(`${begin}; did you mean ${full(guess)}?`);
  return usageError(of === '' ? `${begin}.` : `${begin}; use ${list(names.map(full), 'or')}.`);
}

/** The words of a command after `onetake`. */
export function pathOf(command: CommandUnknownOpts): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}`.trim() : '';
}
