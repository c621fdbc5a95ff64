import type { Option } from '@commander-js/extra-typings';
import { nearest } from '../catalogue/validate/nearest.ts';
import { list } from '../catalogue/words.ts';
import { usageError } from './usage.ts';

/** A command that was typed. */
interface Typed {
  readonly options: readonly Option[];
  /** The number of words that it is: `keys create` has two. */
  readonly words: number;
  /** The number of arguments that may follow them, a list counting as one. */
  readonly operands: number;
  readonly env: NodeJS.ProcessEnv;
}

/** Options of npm itself. They may be set in npm's own configuration, so they are not taken for ours. */
const NPM_OWN = ['force', 'json'];
/** Others of npm itself, which are no misspelt options of ours. */
const NPM_ALIKE = ['all', 'audit', 'call', 'expires', 'version', 'versions'];
/** What npm makes of a short option that it knows: https://docs.npmjs.com/cli/using-npm/config#shorthands-and-other-cli-niceties */
const NPM_SHORT: Readonly<Record<string, string>> = { message: 'm', loglevel: 'd' };

/**
 * Restores the arguments that npm consumed: without a `--` before the arguments, `npm run onetake keys create --name x` passes
 * `keys create` and a variable `npm_config_name`. Throws a usage error unless it is certain what was typed.
 */
export function withoutNpm(args: readonly string[], typed: Typed): readonly string[] {
  const { options, words, operands, env } = typed;
  if (!byNpm(env)) return args;
  const { restored, valueless, lost } = consumed(args, options, env);
  if (valueless.length + lost.length === 0) return [...args, ...restored];
  const [value = '-', ...others] = args.slice(words);
  // npm passes the value of an option that it does not know as an argument, and does not say where it stood. It is certain only where no
  // other argument can be.
  const isCertain = lost.length === 0 && valueless.length === 1 && operands === 0 && others.length === 0;
  if (isCertain && !value.startsWith('-'))
    return [...args.slice(0, words), `--${valueless[0]}=${value}`, ...restored];
  const taken = [...valueless, ...lost].map((name) => (name.length === 1 ? `-${name}` : `--${name}`));
  throw usageError(`npm has consumed ${list(taken, 'and')}.\n${hintOf(args.slice(0, words), env)}`);
}

/** The options that npm consumed: those that can be restored, those whose values are among the arguments, and the rest. */
function consumed(args: readonly string[], options: readonly Option[], env: NodeJS.ProcessEnv) {
  const restored: string[] = [];
  const valueless: string[] = [];
  const lost: string[] = misspelt(args, options, env);
  const names = options.map((option) => option.name());
  for (const option of options) {
    const name = option.name();
    const value = env[`npm_config_${(option.negate ? name.slice(3) : name).replaceAll('-', '_')}`];
    const isGiven = args.some((arg) => arg.split('=')[0] === `--${name}`);
    if (value === undefined || isGiven || NPM_OWN.includes(name)) continue;
    // npm takes --no-x as --x=false, and passes false, null and nothing as an empty text.
    if (option.negate) {
      if (value === '') restored.push(`--${name}`);
    } else if (option.isBoolean()) {
      if (value === 'true') restored.push(`--${name}`);
      else if (value !== '') lost.push(name);
    } else if (value === 'true') valueless.push(name);
    // An option that is repeated has all its values in one text, separated like paragraphs.
    else if ((value === '' && !names.includes(`no-${name}`)) || value.includes('\n\n')) lost.push(name);
    else restored.push(`--${name}=${value}`);
  }
  return { restored, valueless, lost };
}

/** What npm consumed that is almost an option of the command, or a short one. Nothing if a `--` was not forgotten. */
function misspelt(args: readonly string[], options: readonly Option[], env: NodeJS.ProcessEnv): string[] {
  if (args.some((arg) => arg.startsWith('-'))) return [];
  const { names, shorts } = spellingsOf(options);
  const own = [...NPM_OWN, ...NPM_ALIKE, ...names];
  return namesIn(env).filter(
    (name) => !own.includes(name) && (shorts.includes(name) || nearest(name, names, 1).length > 0),
  );
}

/** How to pass arguments through npm, if npm has consumed one of the command's options. */
export function npmHint(args: readonly string[], { options, words, env }: Typed): string | undefined {
  if (!byNpm(env) || args.some((arg) => arg.startsWith('-'))) return undefined;
  const { names, shorts } = spellingsOf(options);
  const isMeant = namesIn(env).some(
    (name) => !NPM_OWN.includes(name) && (shorts.includes(NPM_SHORT[name] ?? name) || names.includes(name)),
  );
  return isMeant ? hintOf(args.slice(0, words), env) : undefined;
}

const spellingsOf = (options: readonly Option[]) => ({
  names: options.map((option) => option.name()),
  shorts: options.flatMap(({ short }) => short?.slice(1) ?? []),
});

/** The options of npm's variables. */
const namesIn = (env: NodeJS.ProcessEnv): string[] =>
  Object.keys(env).flatMap((name) => /^npm_config_(.+)$/.exec(name)?.[1]?.replaceAll('_', '-') ?? []);

const byNpm = (env: NodeJS.ProcessEnv): boolean =>
  env.npm_lifecycle_script?.includes('scripts/run.mjs') ?? false;

/** The command line that runs a command of ours, for the reader who started this process. */
export const commandLine = (command: string, env: NodeJS.ProcessEnv): string =>
  byNpm(env) ? `npm run onetake -- ${command}` : `onetake ${command}`;

function hintOf(args: readonly string[], { npm_lifecycle_event: script }: NodeJS.ProcessEnv): string {
  // `npm start` adds the command by itself.
  const [command, rest] =
    script === 'start' ? ['npm start --', args.slice(1)] : [`npm run ${script} --`, args];
  return `With npm, a -- comes before the arguments: ${[command, ...rest].join(' ')} …`;
}
