import { writeCoverage } from './switches.ts';

// Preloaded by the Node processes that tests start.

/** Some are killed before they can report what they covered. */
const WRITE_EVERY_MS = 200;

const { MUTANTS_FILE: file = '', MUTANTS_TEST: test = '' } = process.env;
const write = (): void => writeCoverage(file, test);
setInterval(write, WRITE_EVERY_MS).unref();
process.on('exit', write);

// A child may be killed right after its answer.
const { send } = process;
if (send) {
  process.send = (...args: unknown[]): boolean => {
    write();
    return Reflect.apply(send, process, args);
  };
}
