import type { Answer } from '../core/http/answer.ts';
import type { StorageStyle } from '../core/storage/storage.ts';

/** "Object Storage Service, Error responses": XML, whatever was asked for. */
const ossError = (status: number, code: string, message: string): Answer => ({
  status,
  body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n  <Code>${code}</Code>\n  <Message>${message}</Message>\n</Error>\n`,
  headers: { 'content-type': 'application/xml' },
});

/** Where the videos lie: signed links of OSS ("Add signatures to URLs"), which take no other credentials beside. */
export const OSS: StorageStyle = {
  query: (signature, expires) => ({
    Expires: String(expires),
    OSSAccessKeyId: 'LTAI5tSimulator',
    Signature: signature,
  }),
  signatureParam: 'Signature',
  expiresParam: 'Expires',
  ranges: true,
  refusesAuthorization: true,
  refusals: {
    expired: ossError(403, 'AccessDenied', 'Request has expired.'),
    signature: ossError(
      403,
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided.',
    ),
    missing: ossError(404, 'NoSuchKey', 'The specified key does not exist.'),
    authorization: ossError(
      400,
      'InvalidArgument',
      'Authentication by both the Authorization header and the URL is not allowed.',
    ),
  },
};
