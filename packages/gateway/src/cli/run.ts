import { OnetakeError } from '../tasks/errors.ts';
import { EXIT } from './exitCodes.ts';
import { createProgram, runProgram } from './program.ts';

// Errors of standard error cannot be reported anywhere.
process.stderr.on('error', () => undefined);
const serving = process.argv[2] === 'serve';
if (!serving) {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // EPIPE is normal: the reader has closed the pipe, as `head` does.
    if (error.code !== 'EPIPE') process.stderr.write(`Standard output cannot be written: ${error.message}\n`);
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
}

try {
  await runProgram(createProgram(), process.argv.slice(2), process.env);
} catch (error) {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  const mistaken = error instanceof OnetakeError && error.status < 500;
  process.stderr.write(
    `${error instanceof Error ? (code === undefined ? error.stack : error.message) : String(error)}\n`,
  );
  process.exitCode = mistaken ? EXIT.mistaken : EXIT.failed;
  // Otherwise a pipe that nobody reads would keep the process alive.
  if (serving) process.exit();
}
