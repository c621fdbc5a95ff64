import { z } from 'zod';
import type { Message } from './cluster.ts';

/** Maximum size of a payload. PostgreSQL requires less than 8,000 bytes. */
export const MAX_PAYLOAD_BYTES = 7900;

/** A message and the node that sent it. */
export interface Received {
  readonly from: string;
  readonly message: Message;
}

const Id = z.string().min(1);
const Whole = z.int().nonnegative();

/** Unknown members are ignored, as unknown kinds are: later versions may add some. */
const Payload = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('moved'),
    tasks: z.array(z.tuple([Id, Whole])),
    places: z.array(z.tuple([Id, Whole])).optional(),
  }),
  z.object({ kind: z.literal('keys') }),
  z.object({
    kind: z.literal('progress'),
    tasks: z.array(z.tuple([Id, z.number().nullable(), z.number(), z.number().optional()])),
  }),
  z.object({ kind: z.literal('given'), to: Id, tasks: z.array(Id) }),
  z.object({ kind: z.literal('leaving') }),
  z.object({ kind: z.literal('went_back') }),
  z.object({
    kind: z.literal('account'),
    account: Id,
    failures: Whole,
    waitMs: z.number().nonnegative(),
    reason: z.string().optional(),
  }),
  z.object({ kind: z.literal('waits'), account: Id }),
  z.object({ kind: z.literal('retry'), account: Id }),
  z.object({ kind: z.literal('hint'), account: Id, upstreamId: z.string() }),
]);
const Sender = z.object({ from: Id });

/**
 * Encodes a message as payloads: several if its list is too long for one, none if the list is empty. Throws if a message without a
 * list is too long.
 */
export function encodeMessage(from: string, message: Message): readonly string[] {
  if ('tasks' in message) {
    const { tasks, ...rest } = message;
    const head = `${JSON.stringify({ from, ...rest }).slice(0, -1)},"tasks":[`;
    return split(tasks, MAX_PAYLOAD_BYTES - bytesOf(`${head}]}`)).map((list) => `${head}${list}]}`);
  }
  const payload = JSON.stringify({ from, ...message });
  if (bytesOf(payload) > MAX_PAYLOAD_BYTES) {
    throw new RangeError(
      `A message of kind ${message.kind} has ${bytesOf(payload)} bytes, which is too long.`,
    );
  }
  return [payload];
}

/** The message in a payload; undefined if this version cannot read it. */
export function decodeMessage(payload: string): Received | undefined {
  let json: unknown;
  try {
    json = JSON.parse(payload);
  } catch {
    return undefined;
  }
  const sender = Sender.safeParse(json);
  const message = Payload.safeParse(json);
  return sender.success && message.success ? { from: sender.data.from, message: message.data } : undefined;
}

/** Splits items into JSON lists, without the brackets, of at most `room` bytes each. An item that is longer by itself is left out. */
function split(items: readonly unknown[], room: number): readonly string[] {
  const lists: string[] = [];
  let list: string[] = [];
  let size = 0;
  for (const item of items) {
    const text = JSON.stringify(item);
    const bytes = bytesOf(text) + 1;
    if (bytes > room) continue;
    if (size + bytes > room) {
      lists.push(list.join(','));
      list = [];
      size = 0;
    }
    list.push(text);
    size += bytes;
  }
  if (list.length > 0) lists.push(list.join(','));
  return lists;
}

const bytesOf = (text: string): number => Buffer.byteLength(text);
