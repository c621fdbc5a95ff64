import type { StorageStyle } from './storage.ts';

/** `20250331T095113Z`. */
const stamp = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(/[-:]|\.\d+/g, '');

const DAY_SECONDS = 86_400;

/**
 * Signed links in the form of Amazon S3 ("Authenticating requests: using query parameters"), which Cloud Storage ("Signed URLs")
 * and TOS ("Signature in URL") share: the time of signing and the number of seconds from then on. `scope` follows the key id and
 * the date.
 */
export function signedLinks(
  prefix: 'X-Amz' | 'X-Goog' | 'X-Tos',
  { algorithm, keyId, scope }: { algorithm: string; keyId: string; scope: string },
): Pick<StorageStyle, 'query' | 'signatureParam' | 'expiresParam' | 'expiryOf'> {
  return {
    query(signature, expires) {
      const signedAt = stamp(expires - DAY_SECONDS);
      return {
        [`${prefix}-Algorithm`]: algorithm,
        [`${prefix}-Credential`]: `${keyId}/${signedAt.slice(0, 8)}/${scope}`,
        [`${prefix}-Date`]: signedAt,
        [`${prefix}-Expires`]: String(DAY_SECONDS),
        [`${prefix}-SignedHeaders`]: 'host',
        [`${prefix}-Signature`]: signature,
      };
    },
    signatureParam: `${prefix}-Signature`,
    expiresParam: `${prefix}-Expires`,
    expiryOf(query) {
      const date = query[`${prefix}-Date`] ?? '';
      const signed = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ)$/, '$1-$2-$3:$4:$5'));
      return String(signed / 1000 + Number(query[`${prefix}-Expires`]));
    },
  };
}
