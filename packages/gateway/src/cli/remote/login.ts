import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { invalidRequest } from '../../tasks/errors.ts';
import { catchInterruption } from '../interruption.ts';
import { checkedKey, checkedUrl, DEFAULT_URL, type Given, openClient } from './connection.ts';
import { reporting } from './failure.ts';
import { saveProfile } from './profile.ts';

/** `onetake login`: saves where the gateway is and the key for it, once it has accepted the key. */
export async function loginCommand(given: Given): Promise<void> {
  const { signal } = catchInterruption();
  await reporting(async () => {
    const url = checkedUrl(given.url ?? (process.env.ONETAKE_URL || (await askedUrl(signal))));
    const apiKey = checkedKey(given.apiKey ?? (process.env.ONETAKE_API_KEY || (await askedKey(signal))));
    // A call that needs a key.
    await openClient({ url, apiKey }).list({ limit: 1 }, { signal }).next();
    const path = saveProfile({ url, api_key: apiKey }, process.env);
    process.stderr.write(`Saved in ${path}. The commands use ${url} from now on.\n`);
  });
}

async function askedUrl(signal: AbortSignal): Promise<string> {
  if (!process.stdin.isTTY) return DEFAULT_URL;
  const answer = await ask(`URL of the gateway [${DEFAULT_URL}]: `, process.stderr, signal);
  return answer.trim() || DEFAULT_URL;
}

/** Typed without being shown, or read from a pipe: arguments can be seen by others on the machine. */
async function askedKey(signal: AbortSignal): Promise<string> {
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const key = process.stdin.isTTY ? await ask('API key: ', unseen, signal) : await text(process.stdin);
  if (key.trim() === '') throw noKey();
  return key.trim();
}

const noKey = () => invalidRequest('There is no API key; type it, pipe it in, or say --api-key KEY.');

async function ask(question: string, echo: NodeJS.WritableStream, signal: AbortSignal): Promise<string> {
  const isShown = echo === process.stderr;
  if (!isShown) process.stderr.write(question);
  const terminal = createInterface({ input: process.stdin, output: echo, terminal: true });
  // A terminal that is read key by key turns Ctrl-C into an event instead of a signal.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  const ended = Promise.withResolvers<never>();
  terminal.once('close', () => ended.reject(signal.aborted ? signal.reason : noKey()));
  const answer = terminal.question(isShown ? question : '', { signal });
  // Rejects with an error of its own kind when it is aborted.
  const interrupted = answer.catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
  try {
    return await Promise.race([interrupted, ended.promise]);
  } finally {
    terminal.close();
    if (!isShown) process.stderr.write('\n');
  }
}
