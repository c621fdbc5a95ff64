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
/** What npm makes of a short option that it knows: https://docs.npmjs.com/cli/using-npm/config#shorthands-and-other-cli-niceties */
const NPM_SHORT: Readonly<Record<string, string>> = { message: 'm', loglevel: 'd' };

/**
 * Restores the arguments that npm consumed: without a `--` before the arguments, `npm run onetake keys create --name x` passes
 * `keys create` and a variable `npm_config_name`. Throws a usage error if they cannot be restored.
 */
export function withoutNpm(args: readonly string[], typed: Typed): readonly string[] {
  const { options, words, operands, env } = typed;
  if (!byNpm(env)) return args;
  const more: string[] = [];
  const valueless: string[] = [];
  for (const option of options) {
    const name = option.name();
    if (option.negate) {
      // npm takes it as the other option with the value false, which it passes as an empty text.
      if (env[`npm_config_${name.slice(3).replaceAll('-', '_')}`] === '') more.push(`--${name}`);
      continue;
    }
    const value = env[`npm_config_${name.replaceAll('-', '_')}`];
    if (!value || NPM_OWN.includes(name) || args.some((arg) => arg.split('=')[0] === `--${name}`)) continue;
    if (option.isBoolean()) more.push(`--${name}`);
    else if (value === 'true') valueless.push(name);
    else more.push(`--${name}`, value);
  }
  // npm passes the value of an option that it does not know as a positional argument.
  const loose = args.filter((arg) => !arg.startsWith('-')).slice(words + operands);
  if (valueless.length === 0) return [...args, ...more];
  const [name] = valueless;
  const [value] = loose;
  if (valueless.length === 1 && loose.length === 1 && value !== undefined) {
    return [...args.toSpliced(args.lastIndexOf(value), 1), `--${name}`, value, ...more];
  }
  const taken = list(
    valueless.map((option) => `--${option}`),
    'and',
  );
  throw usageError(`npm has consumed ${taken}.\n${hintOf(args.slice(0, words), env)}`);
}

/** How to pass arguments through npm, if npm has consumed one that looks like one of the command's options. */
export function npmHint(args: readonly string[], { options, words, env }: Typed): string | undefined {
  if (!byNpm(env) || args.some((arg) => arg.startsWith('-'))) return undefined;
  const names = options.map((option) => option.name());
  const shorts = options.flatMap(({ short }) => short?.slice(1) ?? []);
  const meant = Object.keys(env)
    .flatMap((name) => /^npm_config_(.+)$/.exec(name)?.[1] ?? [])
    .some(
      (name) =>
        !NPM_OWN.includes(name) &&
        (shorts.includes(NPM_SHORT[name] ?? name) || nearest(name.replaceAll('_', '-'), names, 1).length > 0),
    );
  return meant ? hintOf(args.slice(0, words), env) : undefined;
}

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
