/**
 * Whose key it is. An account of the simulator is one API key, and its name says the rest: `shop`, `shop/second` (another key of the
 * same Alibaba account) and `shop@ap-southeast-1` (a key made in another region than this service's).
 */
export interface Identity {
  /** The Alibaba account: owns the tasks and the query allowance of all its keys. */
  readonly owner: string;
  /** Undefined where the key is of whatever region it is used in. */
  readonly region: string | undefined;
}

export function identityOf(account: string): Identity {
  const [key = '', region] = account.split('@');
  return { owner: key.split('/')[0] ?? key, region };
}
