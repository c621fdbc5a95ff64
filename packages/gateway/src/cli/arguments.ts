import { type ParseArgsConfig, parseArgs } from 'node:util';
import { nearest } from '../catalogue/validate/nearest.ts';
import { list, shown } from '../catalogue/words.ts';
import { OnetakeError } from '../tasks/errors.ts';

export type Options = NonNullable<ParseArgsConfig['options']>;

/** An error in the arguments. The command prints it together with its usage. */
export const usageError = (message: string): OnetakeError => new OnetakeError('usage', 400, message);

/** The error for a missing or unknown second word of a command. */
export function unknownAction(
  command: string,
  action: string | undefined,
  known: readonly string[],
): OnetakeError {
  if (action === undefined) return usageError(`Say what to do with ${command}: ${list(known, 'or')}.`);
  const [guess] = nearest(action, known, 1);
  const advice =
    guess === undefined
      ? `use ${list(
          known.map((word) => `${command} ${word}`),
          'or',
        )}.`
      : `did you mean ${command} ${guess}?`;
  return usageError(`There is no ${shown(`${command} ${action}`)}; ${advice}`);
}

/** Parses the options of a command. Throws a usage error for anything else. */
export function readOptions<const O extends Options>(args: readonly string[], options: O) {
  return explained(() => parseArgs({ args: [...args], options }).values);
}

/** Parses the options and positional arguments of a command. Throws a usage error for an unknown option. */
export function readWords<const O extends Options>(args: readonly string[], options: O) {
  return explained(() => {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    return { values, words: positionals };
  });
}

function explained<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!code.startsWith('ERR_PARSE_ARGS')) throw error;
    // The second sentence of Node's message explains how to pass a value that begins with a dash, which is rarely intended.
    const [message = ''] = (error as Error).message.split(/\. (?=To |If )/);
    throw usageError(`${message.replace(/\.$/, '')}.`);
  }
}

/** Whether one of the options is given. Arguments after `--` are not options. */
export const asksFor = (args: readonly string[], ...names: readonly string[]): boolean => {
  const end = args.indexOf('--');
  return (end === -1 ? args : args.slice(0, end)).some((arg) => names.includes(arg));
};

/** Options of npm itself. They may be set in npm's own configuration, so they are not taken for ours. */
const NPM_OWN = ['force', 'json'];

/**
 * Restores the arguments that npm consumed: without a `--` before the arguments, `npm run onetake keys create --name x` passes
 * `keys create` and a variable `npm_config_name`. Throws a usage error if they cannot be restored. `words` is the number of words
 * in the command itself.
 */
export function withoutNpm(
  args: readonly string[],
  { options, words, env }: { options: Options; words: number; env: NodeJS.ProcessEnv },
): readonly string[] {
  if (!byNpm(env)) return args;
  const more: string[] = [];
  const valueless: string[] = [];
  for (const [name, { type }] of Object.entries(options)) {
    const value = env[`npm_config_${name.replaceAll('-', '_')}`];
    if (!value || NPM_OWN.includes(name) || args.some((arg) => arg.split('=')[0] === `--${name}`)) continue;
    if (type === 'boolean') more.push(`--${name}`);
    else if (value === 'true') valueless.push(name);
    else more.push(`--${name}`, value);
  }
  // npm passes the value of an option that it does not know as a positional argument.
  const loose = args.filter((arg) => !arg.startsWith('-')).slice(words);
  if (valueless.length === 0) return [...args, ...more];
  const [name] = valueless;
  const [value] = loose;
  if (valueless.length === 1 && loose.length === 1 && value !== undefined) {
    return [...args.filter((arg) => arg !== value), `--${name}`, value, ...more];
  }
  const taken = list(
    valueless.map((option) => `--${option}`),
    'and',
  );
  throw usageError(`npm has consumed ${taken}.\n${hintOf(args.slice(0, words), env)}`);
}

/** How to pass arguments through npm, if npm has consumed one that looks like one of the command's options. */
export function npmHint(
  args: readonly string[],
  { options, words, env }: { options: Options; words: number; env: NodeJS.ProcessEnv },
): string | undefined {
  if (!byNpm(env) || args.some((arg) => arg.startsWith('-'))) return undefined;
  const consumed = Object.keys(env).flatMap((name) => /^npm_config_(.+)$/.exec(name)?.[1] ?? []);
  const meant = consumed.some(
    (name) =>
      !NPM_OWN.includes(name) && nearest(name.replaceAll('_', '-'), Object.keys(options), 1).length > 0,
  );
  return meant ? hintOf(args.slice(0, words), env) : undefined;
}

const byNpm = (env: NodeJS.ProcessEnv): boolean =>
  env.npm_lifecycle_script?.includes('scripts/run.mjs') ?? false;

/** The command line that runs a command of ours, for the reader who started this process. */
export const commandLine = (command: string, env: NodeJS.ProcessEnv): string =>
  byNpm(env) ? `npm run onetake -- ${command}` : `onetake ${command}`;

function hintOf(args: readonly string[], { npm_lifecycle_event: script }: NodeJS.ProcessEnv): string {
  const command = script === 'start' ? 'npm start --' : `npm run ${script} --`;
  return `With npm, a -- comes before the arguments: ${[command, ...args].join(' ')} …`;
}
