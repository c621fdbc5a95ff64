/**
 * The owner of a key. An account of the simulator is one API key, and its name tells the owner: `shop`, `shop/second` (another key of the
 * same Alibaba account) and `shop@ap-southeast-1` (a key made in another region than this service's).
 */
export interface Identity {
  /** The Alibaba account. It owns the tasks and the query limit of all its keys. */
  readonly owner: string;
  /** The key's region; undefined if the key works in every region. */
  readonly region: string | undefined;
}

export function identityOf(account: string): Identity {
  const [key = '', region] = account.split('@');
  return { owner: key.split('/')[0] ?? key, region };
}
