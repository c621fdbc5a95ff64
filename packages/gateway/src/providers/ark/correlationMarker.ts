/** "execution_expires_after: 3600 to 259200 seconds, 172800 by default." */
const DEFAULT_SECONDS = 172_800;
const LONGEST_SECONDS = 259_200;

/**
 * The `execution_expires_after` of an attempt. Ark keeps nothing that a client could name a task by, but tells this number
 * back in queries and lists, in every state: made from the attempt's key and never the default, it tells a lost submission from
 * the tasks of others, which have the default, and from all but one in 86,400 of our own. All of it is far beyond any deadline
 * of ours.
 */
export function correlationMarkerOf(idempotencyKey: string): number {
  const span = BigInt(LONGEST_SECONDS - DEFAULT_SECONDS);
  return DEFAULT_SECONDS + 1 + Number(BigInt(`0x${idempotencyKey}`) % span);
}
