import type { CommanderError, CommandUnknownOpts } from '@commander-js/extra-typings';
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
function pathOf(command: CommandUnknownOpts): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}`.trim() : '';
}
