import type { TaskEvent } from '@onetake/client';
import { errorCodes } from '../../net/machineTrouble.ts';
import { invalidRequest } from '../../tasks/errors.ts';
import { signedHeaders } from '../../webhooks/sign.ts';
import { catchInterruption } from '../interruption.ts';
import { usageError } from '../usage.ts';
import { connectionOf, type Given, openClient } from './connection.ts';
import { reporting } from './failure.ts';
import { pairOf } from './request.ts';

interface Wishes extends Given {
  readonly forward?: string | undefined;
  readonly events?: string | undefined;
  readonly model?: string | undefined;
  readonly metadata?: readonly string[] | undefined;
  readonly secret?: string | undefined;
}

/** What the gateway gives a receiver. Milliseconds. */
const TIMEOUT_MS = 15_000;

/**
 * `onetake webhooks listen`: sends each event to a server of this machine, signed as the gateway signs them. Each is sent once: what the
 * receiver makes of it is shown. The bodies are those of the event stream, which does not tell which API made a video.
 */
export async function listenCommand(wishes: Wishes): Promise<void> {
  const { events, model, metadata = [] } = wishes;
  const forward = checkedForward(wishes.forward);
  const filters = {
    types: events?.split(','),
    model,
    metadata: Object.fromEntries(metadata.map((pair) => pairOf('--metadata', pair))),
  };
  const given = checkedSecret(wishes.secret);
  const client = openClient(connectionOf(wishes, process.env));
  const { signal } = catchInterruption();
  await reporting(async () => {
    const secret = given ?? (await client.webhookSecret({ signal }));
    const whose = given === undefined ? 'the secret of the project, ' : '';
    process.stderr.write(`Forwarding to ${forward}, signed with ${whose}${secret}\n`);
    const onReady = () =>
      void process.stderr.write(
        'Listening. Each event is sent once, also if that fails. Press Ctrl-C to stop.\n',
      );
    const onReset = (message: string) => void process.stderr.write(`Events were missed. ${message}\n`);
    for await (const event of client.events({ ...filters, signal, onReady, onReset })) {
      const outcome = await sent(event, forward, secret, signal);
      process.stdout.write(`${event.type}  ${event.data.task_id}  ${outcome}\n`);
    }
  });
}

function checkedForward(url: string | undefined): URL {
  if (url === undefined)
    throw usageError('Say where to: onetake webhooks listen --forward http://localhost:3000/hook.');
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw usageError(`--forward takes a URL, such as http://localhost:3000/hook, not "${url}".`);
  return new URL(url);
}

function checkedSecret(secret: string | undefined): string | undefined {
  if (
    secret !== undefined &&
    !/^whsec_[A-Za-z0-9+/]+={0,2}$/.test(secret) &&
    !/^whsk_[A-Za-z0-9+/]{86}==$/.test(secret)
  )
    throw invalidRequest('--secret takes the secret of an endpoint: whsec_… or whsk_….');
  return secret;
}

async function sent(event: TaskEvent, to: URL, secret: string, signal: AbortSignal): Promise<string> {
  const body = JSON.stringify(event);
  const at = Math.floor(Date.now() / 1000);
  const began = performance.now();
  try {
    const answer = await fetch(to, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...signedHeaders({ id: event.id, at, body }, [secret]) },
      body,
      // The gateway follows none either.
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    await answer.body?.cancel();
    return `${answer.status} in ${Math.round(performance.now() - began)} ms`;
  } catch (error) {
    signal.throwIfAborted();
    const isLate = error instanceof Error && error.name === 'TimeoutError';
    return `failed, and is not sent again: ${isLate ? `no answer within ${TIMEOUT_MS / 1000} s` : (errorCodes(error)[0] ?? String(error))}`;
  }
}
