/** "execution_expires_after: 3600 to 259200 seconds, 172800 by default." */
const DEFAULT_SECONDS = 172_800;
const LONGEST_SECONDS = 259_200;

/**
 * The `execution_expires_after` of an attempt. Ark stores no name that a client could give a task, but queries and lists report
 * this number in every state. It is computed from the attempt's key and never equals the default. So it tells a lost submission
 * from other clients' tasks, which have the default, and from all but one in 86,400 of the gateway's own. Every value is far beyond
 * the gateway's own deadlines.
 */
export function correlationMarkerOf(idempotencyKey: string): number {
  const span = BigInt(LONGEST_SECONDS - DEFAULT_SECONDS);
  return DEFAULT_SECONDS + 1 + Number(BigInt(`0x${idempotencyKey}`) % span);
}
