import { request } from 'undici';
import { list, shown } from '../../catalogue/words.ts';
import { errorCodes } from '../../net/machineTrouble.ts';
import { invalidRequest } from '../../tasks/errors.ts';
import { EVENT_TYPES } from '../../tasks/events.ts';
import { webhookBody, webhookRequest } from '../../webhooks/message.ts';
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
 * receiver makes of it is shown.
 */
export async function listenCommand(wishes: Wishes): Promise<void> {
  const { events, model, metadata = [] } = wishes;
  const forward = checkedForward(wishes.forward);
  const filters = {
    types: checkedTypes(events),
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
      const body = webhookBody(event);
      const outcome = await sent(body, forward, secret, signal);
      process.stdout.write(`${body.type}  ${event.data.task_id}  ${outcome}\n`);
    }
  });
}

function checkedTypes(events: string | undefined): string[] | undefined {
  const types = events?.split(',').map((type) => type.trim());
  const wrong = types?.find((type) => !EVENT_TYPES.some((known) => known === type));
  if (wrong !== undefined)
    throw usageError(
      `--events takes ${list(EVENT_TYPES, 'and')}, separated by commas; there is no ${shown(wrong)}.`,
    );
  return types;
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

async function sent(
  body: ReturnType<typeof webhookBody>,
  to: URL,
  secret: string,
  signal: AbortSignal,
): Promise<string> {
  const { headers, ...message } = webhookRequest({ id: body.id, body }, [secret], Date.now());
  const began = performance.now();
  try {
    // As the gateway does: with the same headers, on a connection of its own, and without following redirects.
    const answer = await request(to, {
      ...message,
      headers: { 'user-agent': 'onetake', ...headers, 'accept-encoding': 'identity' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      reset: true,
    });
    // Its status says everything. Destroying an unfinished body makes it emit an abort error.
    answer.body.on('error', () => undefined).destroy();
    return `${answer.statusCode} in ${Math.round(performance.now() - began)} ms`;
  } catch (error) {
    signal.throwIfAborted();
    const isLate = error instanceof Error && error.name === 'TimeoutError';
    return `failed, and is not sent again: ${isLate ? `no answer within ${TIMEOUT_MS / 1000} s` : (errorCodes(error)[0] ?? String(error))}`;
  }
}
