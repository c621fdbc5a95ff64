import { type ParseArgsConfig, parseArgs } from 'node:util';
import { list } from '../catalogue/words.ts';
import { OnetakeError } from '../tasks/errors.ts';

export type Options = NonNullable<ParseArgsConfig['options']>;

/** A command was typed in a way that it does not understand: told in a line, with how it is used. */
export const usageError = (message: string): OnetakeError => new OnetakeError('usage', 400, message);

/** The options of a command. Throws a usage error for anything else. */
export function readOptions<const O extends Options>(args: readonly string[], options: O) {
  return explained(() => parseArgs({ args: [...args], options }).values);
}

/** The options of a command, and its other words. Throws a usage error for an option that it does not have. */
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
    // The second sentence tells how to write a word that begins with a dash: nobody wanted that.
    const [message = ''] = (error as Error).message.split(/\. (?=To |If )/);
    throw usageError(`${message.replace(/\.$/, '')}.`);
  }
}

/** Whether help is asked for; what follows `--` is no option. */
export const asksFor = (args: readonly string[], ...names: readonly string[]): boolean => {
  const end = args.indexOf('--');
  return (end === -1 ? args : args.slice(0, end)).some((arg) => names.includes(arg));
};

/** Options of npm's own, which it may have from its own settings: taken from it by nobody. */
const NPM_OWN = ['force', 'json'];

/**
 * The arguments as they were typed, where npm has taken some for itself: `npm run onetake keys create --name x` leaves
 * `keys create` and a variable `npm_config_name`, since the `--` before the arguments is missing. Throws a usage error
 * where they cannot be told any more. `words`: how many the command has itself.
 */
export function withoutNpm(
  args: readonly string[],
  { options, words, env }: { options: Options; words: number; env: NodeJS.ProcessEnv },
): readonly string[] {
  if (!env.npm_lifecycle_script?.includes('scripts/run.mjs')) return args;
  const more: string[] = [];
  const valueless: string[] = [];
  for (const [name, { type }] of Object.entries(options)) {
    const value = env[`npm_config_${name.replaceAll('-', '_')}`];
    if (!value || NPM_OWN.includes(name) || args.some((arg) => arg.split('=')[0] === `--${name}`)) continue;
    if (type === 'boolean') more.push(`--${name}`);
    else if (value === 'true') valueless.push(name);
    else more.push(`--${name}`, value);
  }
  // npm has made a word of the value of an option that it does not know itself.
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
  throw usageError(`npm has taken ${taken} for itself.\n${hintOf(args.slice(0, words), env)}`);
}

/** How to type what npm must leave alone; undefined where it has left it alone. */
export function npmHint(args: readonly string[], env: NodeJS.ProcessEnv): string | undefined {
  if (!env.npm_lifecycle_script?.includes('scripts/run.mjs') || args.some((arg) => arg.startsWith('-')))
    return undefined;
  return hintOf(args, env);
}

function hintOf(args: readonly string[], { npm_lifecycle_event: script }: NodeJS.ProcessEnv): string {
  const command = script === 'start' ? 'npm start --' : `npm run ${script} --`;
  return `With npm, a -- comes before the arguments: ${[command, ...args].join(' ')} …`;
}
