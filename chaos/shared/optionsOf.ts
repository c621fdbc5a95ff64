import { type Options, readOptions } from '@onetake/gateway';

/** The options that a script was started with. What is mistyped ends it with a line and the usage. */
export function optionsOf<const O extends Options>(options: O, usage: string) {
  try {
    return readOptions(process.argv.slice(2), options);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\nUsage: ${usage}\n`);
    process.exit(2);
  }
}
