import { type ParseArgsConfig, parseArgs } from 'node:util';

/** What the values of options may be. An option may have several, separated by commas. */
interface Allowed {
  /** Options that take numbers, none of them negative. */
  readonly numbers?: readonly string[];
  /** Options that take names, and the names that there are. */
  readonly names?: Readonly<Record<string, readonly string[]>>;
}

/** The options of a script. A typing error, also in a value, ends it with a message and the usage; `--help` with the usage. */
export function optionsOf<const O extends NonNullable<ParseArgsConfig['options']>>(
  options: O,
  usage: string,
  allowed: Allowed = {},
) {
  const args = process.argv.slice(2);
  if (asksForHelp(args)) {
    process.stdout.write(`Usage: ${usage}\n`);
    process.exit(0);
  }
  try {
    const values = parseArgs({ args, options }).values;
    checkValues(values, allowed);
    return values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\nUsage: ${usage}\n`);
    process.exit(2);
  }
}

export const asksForHelp = (args: readonly string[]): boolean =>
  args.includes('--help') || args.includes('-h');

function checkValues(values: Readonly<Record<string, unknown>>, { numbers = [], names = {} }: Allowed): void {
  const partsOf = (option: string) => (values[option] ? String(values[option]).split(',') : []);
  for (const option of numbers)
    for (const part of partsOf(option))
      if (!(Number(part) >= 0)) throw new Error(`--${option} takes a number of 0 or more, not "${part}".`);
  for (const [option, known] of Object.entries(names))
    for (const part of partsOf(option))
      if (!known.includes(part))
        throw new Error(`--${option}: there is no "${part}"; there is ${known.join(', ')}.`);
}
