import {
  ApiError,
  AuthenticationError,
  OnetakeError as ClientError,
  ConnectionError,
  RateLimitError,
  ServerError,
  TaskFailedError,
  WaitTimeoutError,
} from '@onetake/client';
import { OnetakeError } from '../../tasks/errors.ts';
import { EXIT } from '../exitCodes.ts';
import { Interrupted } from '../interruption.ts';

/** What to do if there is no answer. */
export const UNREACHABLE = 'Check --url or ONETAKE_URL, and that the gateway is running (onetake serve).';

/**
 * Runs a command of the remote kind. Says what went wrong and what to do about it, and sets the exit code. `next` says how to go on, if
 * there is something to go on with.
 */
export async function reporting(
  work: () => Promise<void>,
  next: (error: unknown) => string | undefined = () => undefined,
) {
  try {
    await work();
  } catch (error) {
    const { code, message } = failureOf(error);
    const more = code === EXIT.taskFailed || code === EXIT.mistaken ? undefined : next(error);
    // Messages of others, such as a provider's, must not steer the terminal.
    process.stderr.write(`${[printable(message), more].filter(Boolean).join('\n')}\n`);
    process.exitCode = code;
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g;
/** Control characters that are no line breaks become spaces. */
export const printable = (text: string): string => text.replace(CONTROL, ' ');

function failureOf(error: unknown): { readonly code: number; readonly message: string } {
  if (error instanceof Interrupted) return { code: error.exitCode, message: 'Interrupted.' };
  if (error instanceof TaskFailedError) {
    const reason = error.reason === undefined ? '' : ` (${error.reason})`;
    return { code: EXIT.taskFailed, message: `${error.taskId} failed: ${error.message}${reason}` };
  }
  if (error instanceof WaitTimeoutError) return { code: EXIT.timedOut, message: error.message };
  if (error instanceof AuthenticationError) {
    const advice = 'Check --api-key, ONETAKE_API_KEY, or the profile that onetake login has saved.';
    return { code: EXIT.mistaken, message: `${error.message}\n${advice}` };
  }
  if (error instanceof ApiError) {
    // An error that names a field is about the request or the settings, such as a model without an account.
    const isTrouble =
      error.param === undefined && (error instanceof ServerError || error instanceof RateLimitError);
    const id = isTrouble && error.requestId !== undefined ? ` (request ${error.requestId})` : '';
    return { code: isTrouble ? EXIT.failed : EXIT.mistaken, message: `${error.message}${id}` };
  }
  if (error instanceof ConnectionError) {
    return { code: EXIT.failed, message: `${error.message}\n${UNREACHABLE}` };
  }
  // The gateway's own errors, which main.ts knows, and programming errors, which keep their stack.
  const known = error instanceof ClientError || (error instanceof Error && 'syscall' in error);
  if (error instanceof OnetakeError || !known) throw error;
  return { code: EXIT.failed, message: error.message };
}
