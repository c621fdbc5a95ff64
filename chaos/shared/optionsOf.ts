import { type Options, readOptions } from '@onetake/gateway';

/** The options of a script. A typing error ends it with a message and the usage. */
export function optionsOf<const O extends Options>(options: O, usage: string) {
  try {
    return readOptions(process.argv.slice(2), options);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\nUsage: ${usage}\n`);
    process.exit(2);
  }
}
