export type Failure = 'throw' | 'throw text' | 'abort' | 'segfault' | 'exit' | 'reject later' | 'unsendable';

/** Fails in the requested way. */
export async function run(how: Failure): Promise<unknown> {
  process.stderr.write(`about to ${how}\n`);
  switch (how) {
    case 'throw':
      throw new RangeError('the frame is too wide');
    case 'throw text':
      throw 'only words';
    case 'abort':
      process.abort();
      break;
    case 'segfault':
      process.kill(process.pid, 'SIGSEGV');
      break;
    case 'exit':
      process.exit(3);
      break;
    case 'reject later':
      // As a callback of a native library might.
      setImmediate(() => {
        throw new Error('nobody catches this');
      });
      break;
    case 'unsendable':
      return () => 'a function is no structured-clone value';
  }
  return new Promise(() => {});
}
