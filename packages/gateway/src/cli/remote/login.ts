import { createInterface } from 'node:readline/promises';
import { addAbortSignal, Writable } from 'node:stream';
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
    const { env } = process;
    const url = checkedUrl(given.url ?? (env.ONETAKE_URL || (await askedUrl(signal))));
    const { key, from } = await keyOf(given, env, signal);
    const apiKey = checkedKey(key);
    // A call that needs a key.
    await openClient({ url, apiKey }).list({ limit: 1 }, { signal }).next();
    const path = saveProfile({ url, api_key: apiKey }, env);
    process.stderr.write(
      `Saved in ${path}: ${url} and the key ${from}. The commands use them from now on.\n`,
    );
    for (const [name, saved] of Object.entries({ ONETAKE_URL: url, ONETAKE_API_KEY: apiKey }))
      if (env[name] && env[name] !== saved)
        process.stderr.write(`But ${name} is set to something else, which goes before what is saved.\n`);
  });
}

/** A key that is piped in is meant for this command, and that of the environment for all. */
async function keyOf({ apiKey }: Given, env: NodeJS.ProcessEnv, signal: AbortSignal) {
  if (apiKey !== undefined) return { key: apiKey, from: 'of --api-key' };
  const piped = process.stdin.isTTY ? '' : await pipedKey(signal);
  if (piped !== '') return { key: piped, from: 'from standard input' };
  if (env.ONETAKE_API_KEY) return { key: env.ONETAKE_API_KEY, from: 'of ONETAKE_API_KEY' };
  if (!process.stdin.isTTY) throw noKey();
  return { key: await askedKey(signal), from: 'that was typed' };
}

async function pipedKey(signal: AbortSignal): Promise<string> {
  // Says what it waits for, as the other end may stay open.
  process.stderr.write('Reading the API key from standard input.\n');
  try {
    return (await text(addAbortSignal(signal, process.stdin))).trim();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

async function askedUrl(signal: AbortSignal): Promise<string> {
  if (!process.stdin.isTTY) return DEFAULT_URL;
  const answer = await ask(`URL of the gateway [${DEFAULT_URL}]: `, process.stderr, signal);
  return answer.trim() || DEFAULT_URL;
}

/** Typed without being shown. */
async function askedKey(signal: AbortSignal): Promise<string> {
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const key = (await ask('API key: ', unseen, signal)).trim();
  if (key === '') throw noKey();
  return key;
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
