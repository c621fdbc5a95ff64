import { describe, expect, it } from 'vitest';
import {
  explainedS3,
  isCode,
  isNoSuchKey,
  isNotImplemented,
  noSuchBucket,
  noteRequest,
  refusalOf,
  statusOf,
  webPage,
} from '../../../src/media/s3/errors.ts';
import type { SentRequest } from '../../../src/media/s3/refusals.ts';
import { OnetakeError } from '../../../src/tasks/errors.ts';

const SENT: SentRequest = {
  operation: 'GetObject',
  endpoint: true,
  pathStyle: true,
  checksums: false,
  encrypted: false,
};

/** An error as the SDK makes it from a response. */
const answer = (facts: object, message = 'no') => Object.assign(new Error(message), facts);
const withStatus = (httpStatusCode: number) => ({ $metadata: { httpStatusCode } });

/** The message for the operator. */
async function messageFor(error: unknown, sent: Partial<SentRequest> = {}): Promise<string> {
  noteRequest(error, { ...SENT, ...sent });
  const explained = await explainedS3(() => Promise.reject(error)).catch((thrown: unknown) => thrown);
  if (!(explained instanceof OnetakeError)) throw new Error('not explained', { cause: explained });
  expect(explained).toMatchObject({ code: 'storage_unavailable', status: 503, cause: error });
  expect(explained.details).toEqual({ retryAfterSeconds: 30 });
  return explained.message;
}

describe('the message for an error code', () => {
  it.each<[string, RegExp]>([
    ...['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN'].map(
      (code): [string, RegExp] => [code, /NODE_EXTRA_CA_CERTS/],
    ),
    ['UNABLE_TO_GET_ISSUER_CERT', /NODE_EXTRA_CA_CERTS/],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', /NODE_EXTRA_CA_CERTS/],
    ['CERT_HAS_EXPIRED', /not valid now/],
    ['CERT_NOT_YET_VALID', /not valid now/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /another host name/],
    ['ENOTFOUND', /no known address/],
    ['EAI_AGAIN', /no known address/],
    ['SecondLevelDomainForbidden', /ONETAKE_S3_PATH_STYLE=false/],
    ['PathStyleDomainForbidden', /ONETAKE_S3_PATH_STYLE=false/],
    ['NoSuchBucket', /no such bucket/],
    ['InvalidBucketName', /correct ONETAKE_S3_BUCKET/],
    ['InvalidEncryptionAlgorithmError', /correct ONETAKE_S3_SSE\b/],
    ['InvalidEncryptionAlgorithm', /correct ONETAKE_S3_SSE\b/],
    ['KMS.NotFoundException', /ONETAKE_S3_SSE_KMS_KEY_ID/],
    ['kms:KeyNotFound', /ONETAKE_S3_SSE_KMS_KEY_ID/],
    ['InvalidRegionName', /ONETAKE_S3_REGION=auto/],
    ...[
      'PermanentRedirect',
      'TemporaryRedirect',
      'AuthorizationHeaderMalformed',
      'IllegalLocationConstraintException',
      'InvalidRegion',
    ].map((code): [string, RegExp] => [code, /another region; correct ONETAKE_S3_REGION/]),
    ...['InvalidAccessKeyId', 'Unauthorized', 'InvalidSecurity'].map((code): [string, RegExp] => [
      code,
      /does not know the access key/,
    ]),
    ['SignatureDoesNotMatch', /refuses the signature; correct ONETAKE_S3_SECRET_ACCESS_KEY/],
    ...['ExpiredToken', 'TokenRefreshRequired', 'InvalidToken', 'SecurityTokenExpired'].map(
      (code): [string, RegExp] => [code, /credentials have expired/],
    ),
    ['CredentialsProviderError', /set ONETAKE_S3_ACCESS_KEY_ID and ONETAKE_S3_SECRET_ACCESS_KEY/],
    ...['RequestTimeTooSkewed', 'RequestExpired', 'RequestInTheFuture'].map((code): [string, RegExp] => [
      code,
      /set this machine's clock/,
    ]),
    ...['AllAccessDisabled', 'UserDisable', 'UserSuspended', 'AccountProblem', 'NotSignedUp'].map(
      (code): [string, RegExp] => [code, /closed to this account/],
    ),
    ['AccessDenied', /the permission s3:GetObject/],
    ...['QuotaExceeded', 'XMinioStorageFull', 'XMinioAdminBucketQuotaExceeded'].map(
      (code): [string, RegExp] => [code, /is full/],
    ),
    ['EntityTooLarge', /objects of this size/],
    ...['SlowDown', 'TooManyRequests', 'Throttling', 'RequestLimitExceeded', 'QpsLimitExceeded'].map(
      (code): [string, RegExp] => [code, /fewer requests/],
    ),
    ['BadDigest', /damaged/],
    ['WebPage', /web page/],
    ['XKmsUnheardOf', /refused a request with XKmsUnheardOf/],
    ['XUnheardOf', /refused a request with XUnheardOf; the log/],
  ])('%s', async (code, words) => {
    expect(await messageFor(answer({ code }))).toMatch(words);
    expect(await messageFor(answer({ name: code }))).toMatch(words);
  });

  it.each<[string, Partial<SentRequest>, RegExp]>([
    ['ERR_TLS_CERT_ALTNAME_INVALID', { pathStyle: false }, /ONETAKE_S3_PATH_STYLE=true/],
    ['ENOTFOUND', { pathStyle: false }, /ONETAKE_S3_PATH_STYLE=true/],
    ['EAI_AGAIN', { pathStyle: false }, /ONETAKE_S3_PATH_STYLE=true/],
    ['ENOTFOUND', { pathStyle: false, endpoint: false }, /name server/],
    ['NoSuchBucket', { pathStyle: false }, /ONETAKE_S3_PATH_STYLE=true/],
    ['MalformedXML', { pathStyle: false, operation: 'PutObject' }, /ONETAKE_S3_PATH_STYLE=true/],
    ['MethodNotAllowed', { pathStyle: false, operation: 'PutObject' }, /ONETAKE_S3_PATH_STYLE=true/],
    ['MethodNotAllowed', { pathStyle: false }, /with MethodNotAllowed/],
    ['MalformedXML', { operation: 'PutObject' }, /with MalformedXML/],
    ['XAmzContentSHA256Mismatch', { operation: 'PutObject', checksums: true }, /ONETAKE_S3_CHECKSUMS=false/],
    ['MissingContentLength', { operation: 'UploadPart', checksums: true }, /ONETAKE_S3_CHECKSUMS=false/],
    ['MissingContentLength', { operation: 'UploadPart' }, /with MissingContentLength/],
    ['MissingContentLength', { checksums: true }, /with MissingContentLength/],
    ['SignatureDoesNotMatch', { operation: 'PutObject', checksums: true }, /signature of an upload/],
    ['NotImplemented', { checksums: true, encrypted: true }, /with NotImplemented/],
    ['NotImplemented', { operation: 'PutObject' }, /with NotImplemented/],
    [
      'NotImplemented',
      { operation: 'PutObject', checksums: true },
      /request; set ONETAKE_S3_CHECKSUMS=false\.$/,
    ],
    ['NotImplemented', { operation: 'PutObject', encrypted: true }, /request; unset ONETAKE_S3_SSE\.$/],
    [
      'NotImplemented',
      { operation: 'PutObject', checksums: true, encrypted: true },
      /request; set ONETAKE_S3_CHECKSUMS=false, or unset ONETAKE_S3_SSE\.$/,
    ],
  ])('%s depends on the request: %j', async (code, sent, words) => {
    expect(await messageFor(answer({ Code: code }), sent)).toMatch(words);
  });

  it.each<[string, object, RegExp]>([
    ['a HEAD to another region', { ...withStatus(301) }, /another region; correct ONETAKE_S3_REGION/],
    ['a HEAD to a moved bucket', { ...withStatus(307) }, /another region/],
    ['a plain 400', { ...withStatus(400) }, /refused a request \(status 400\)/],
    ['a proxy’s bound', { ...withStatus(413) }, /client_max_body_size/],
    ['a plain 403', { ...withStatus(403) }, /the permission s3:GetObject/],
    ['a 403 with a code', { Code: 'XOther', ...withStatus(403) }, /with XOther \(status 403\)/],
    ['a 500', { Code: 'XOther', ...withStatus(500) }, /errors of its own/],
    ['a 599', { ...withStatus(599) }, /errors of its own/],
    ['a 501', { Code: 'XOther', ...withStatus(501) }, /with XOther \(status 501\)/],
    ['a 499', { ...withStatus(499) }, /\(status 499\)/],
  ])('%s is explained by its status', async (_what, facts, words) => {
    expect(await messageFor(answer(facts))).toMatch(words);
  });

  it.each<[number, Record<string, string>, RegExp]>([
    [301, { location: 'https://host/' }, /with https:/],
    [302, { location: 'https://host/' }, /with https:/],
    [307, { location: 'https://host/' }, /with https:/],
    [308, { location: 'https://host/' }, /with https:/],
    [301, { location: 'http://host/' }, /another region/],
    [302, { location: 'http://host/' }, /\(status 302\)/],
    [301, { location: 'https://host/', 'x-amz-bucket-region': 'eu-west-1' }, /ONETAKE_S3_REGION=eu-west-1/],
    [400, { 'x-amz-bucket-region': 'eu-west-1' }, /ONETAKE_S3_REGION=eu-west-1/],
    [404, { 'content-type': 'text/html; charset=utf-8' }, /web page/],
    [500, { 'content-type': 'text/html' }, /errors of its own/],
    [404, { 'content-type': 'application/xml' }, /\(status 404\)/],
  ])('status %i is explained by its headers: %j', async (status, headers, words) => {
    expect(await messageFor(answer({ ...withStatus(status), $response: { headers } }))).toMatch(words);
  });

  it.each([
    'ECONNREFUSED',
    'UND_ERR_SOCKET',
    'TimeoutError',
    'AbortError',
    'NetworkingError',
    'CERT_UNTRUSTED',
    'ERR_TLS',
    'ERR_TLS_HANDSHAKE_TIMEOUT',
  ])('%s means that the server cannot be reached', async (code) => {
    expect(await messageFor(answer({ code }))).toMatch(/cannot be reached/);
    expect(await messageFor(answer({ name: code, code: 'XOther' }))).toMatch(/cannot be reached/);
  });

  it.each(['xECONNREFUSED', 'ECONNREFUSEDx', 'E', 'Econnrefused', 'xTimeoutError', 'TimeoutErrors', 'CERT_'])(
    '%s does not',
    async (code) => {
      expect(await messageFor(answer({ code }))).toMatch(`with ${code}`);
    },
  );

  it.each(['a'.repeat(65), 'a b', '<a>', 'ä'])('%s is not shown to callers', async (code) => {
    expect(await messageFor(answer({ code }))).toMatch(/refused a request; the log/);
  });

  it('has the longest code that may be shown', async () => {
    const code = `A-b_9.:${'x'.repeat(57)}`;
    expect(await messageFor(answer({ code }))).toContain(`with ${code};`);
  });

  it('is not added to errors that are already explained', async () => {
    const own = new OnetakeError('storage_unavailable', 503, 'The disk is full.');
    await expect(explainedS3(() => Promise.reject(own))).rejects.toBe(own);
    expect(await explainedS3(async () => 1)).toBe(1);
  });
});

describe('the message for the text of a response', () => {
  it.each<[string, Partial<SentRequest>, RegExp]>([
    ['Use the API port', {}, /port of its API/],
    ['The console port is another', {}, /port of its API/],
    ['Client sent an HTTP request to an HTTPS server.', {}, /with https:/],
    ['The plain HTTP request was sent to HTTPS port', {}, /with https:/],
    ['Parse Error: Expected HTTP/', {}, /does not answer in HTTP/],
    ['No Parse Error', {}, /the log/],
    ['ssl3_get_record:wrong version number', {}, /with http:/],
    ['packet length too long', {}, /with http:/],
    ['Content-MD5 OR x-amz-checksum- is required', {}, /ONETAKE_S3_CHECKSUMS=true/],
    ['Content-MD5 is required', { checksums: true }, /the log/],
    ['x-amz-checksum-crc32', { operation: 'PutObject', checksums: true }, /ONETAKE_S3_CHECKSUMS=false/],
    ['x-amz-sdk-checksum', { operation: 'PutObject', checksums: true }, /ONETAKE_S3_CHECKSUMS=false/],
    ['x-amz-trailer', { operation: 'PutObject', checksums: true }, /ONETAKE_S3_CHECKSUMS=false/],
    ['aws-chunked', { operation: 'PutObject', checksums: true }, /ONETAKE_S3_CHECKSUMS=false/],
    ['MultiChunkedEncoding', { operation: 'PutObject', checksums: true }, /ONETAKE_S3_CHECKSUMS=false/],
    ['STREAMING-UNSIGNED', { operation: 'PutObject', checksums: true }, /ONETAKE_S3_CHECKSUMS=false/],
    ['transfer-encoding', { operation: 'PutObject', checksums: true }, /ONETAKE_S3_CHECKSUMS=false/],
    ['transfer-encoding', { operation: 'PutObject' }, /the log/],
    ['server side encryption', { operation: 'PutObject', encrypted: true }, /unset ONETAKE_S3_SSE/],
    ['server-side-encryption', { operation: 'PutObject', encrypted: true }, /unset ONETAKE_S3_SSE/],
    ['No SSE here', { operation: 'PutObject', encrypted: true }, /unset ONETAKE_S3_SSE/],
    ['KMS is not configured', { operation: 'PutObject', encrypted: true }, /unset ONETAKE_S3_SSE/],
    ['KMS is not configured', { operation: 'PutObject' }, /the log/],
    ['No ASSESS here', { operation: 'PutObject', encrypted: true }, /the log/],
    ['not authorized to perform: kms:GenerateDataKey', {}, /may not use the encryption key/],
    ['not authorized to perform: kms:Decrypt on it', {}, /may not use the encryption key/],
    ['not authorized to perform: kms:Encrypt', {}, /the log/],
    ['The bucket must be addressed using the specified endpoint', {}, /another endpoint/],
    ['Invalid signing region', {}, /another region/],
    ["the region 'x' is wrong", {}, /another region/],
    ['The region given does not match', {}, /another region/],
    [`The region ${'x'.repeat(41)} is wrong`, {}, /the log/],
    ['Region is missing', {}, /set ONETAKE_S3_REGION/],
    ['Cannot upload files, storage cap exceeded', {}, /a cap of its account/],
    ['a handicap exceeded', {}, /the log/],
  ])('%s', async (words, sent, told) => {
    expect(await messageFor(answer({ code: 'XOther' }, words), sent)).toMatch(told);
  });

  it('names the region if the server does', async () => {
    const words = 'must be addressed using the specified endpoint';
    expect(await messageFor(answer({ Code: 'X', Region: 'eu-west-1' }, words))).toMatch(
      /set ONETAKE_S3_REGION=eu-west-1/,
    );
    expect(await messageFor(answer({ Code: 'X' }, words))).toMatch(/see ONETAKE_S3_REGION/);
    expect(await messageFor(answer({ Code: 'PermanentRedirect', Region: 'a b' }))).toMatch(
      /correct ONETAKE_S3_REGION/,
    );
  });
});

describe('the facts of an error', () => {
  it('are its code, status, message, region and location', () => {
    const error = answer(
      {
        name: 'Named',
        Code: 'Coded',
        Header: 'a header',
        ArgumentName: 'an argument',
        ArgumentValue: 'a value',
        ...withStatus(400),
        $response: {
          headers: { 'x-amz-bucket-region': 'eu-west-1', location: 'https://host/' },
          body: 'a body',
        },
        sent: SENT,
      },
      'a message',
    );
    expect(refusalOf(error)).toEqual({
      code: 'Coded',
      status: 400,
      words: 'a message a header an argument a value a body',
      isPage: false,
      region: 'eu-west-1',
      location: 'https://host/',
      sent: SENT,
    });
    expect(refusalOf(answer({ ...error, Region: 'us-east-1' })).region).toBe('us-east-1');
  });

  it('are missing if there are none', () => {
    const unknown = {
      operation: 'a request',
      endpoint: false,
      pathStyle: true,
      checksums: false,
      encrypted: false,
    };
    for (const error of [undefined, 'words', { Code: 'Coded' }]) {
      expect(refusalOf(error)).toEqual({
        code: '',
        status: undefined,
        words: '',
        isPage: false,
        region: undefined,
        location: undefined,
        sent: unknown,
      });
      expect(() => noteRequest(error, SENT)).not.toThrow();
      expect([statusOf(error), isCode(error, 'Coded')]).toEqual([undefined, false]);
    }
  });

  it('have at most 2000 characters of the response', () => {
    expect(refusalOf(answer({}, 'x'.repeat(3000))).words).toHaveLength(2000);
  });

  it.each(['Unknown', 'UnknownError', 'Error', 'NotFound', 'Forbidden', '404', ''])(
    'has no code in the name %j',
    (name) => {
      expect(refusalOf(answer({ name })).code).toBe('');
      expect(refusalOf(answer({ name, code: 'Coded' })).code).toBe('Coded');
    },
  );

  it.each(['UnknownThing', 'AnError', '4040', '40', 'XForbidden', 'NotFounds'])(
    'has a code in the name %s',
    (name) => {
      expect(refusalOf(answer({ name })).code).toBe(name);
    },
  );

  it('may include a web page, except for a HEAD and if there is a code', () => {
    const page = { $response: { headers: { 'content-type': 'text/html; charset=utf-8' } } };
    const isPage = (facts: object, operation: string) =>
      refusalOf(answer({ ...page, sent: { ...SENT, operation }, ...facts })).isPage;
    expect(isPage({}, 'GetObject')).toBe(true);
    expect(isPage({}, 'HeadObject')).toBe(false);
    expect(isPage({}, 'GetHead')).toBe(true);
    expect(isPage({ Code: 'Coded' }, 'GetObject')).toBe(false);
    const xml = { $response: { headers: { 'content-type': 'application/xml, not text/html' } } };
    expect(isPage(xml, 'GetObject')).toBe(false);
  });

  it('include that an object is missing, unless a web page says so', () => {
    expect(isNoSuchKey(answer({ name: 'NoSuchKey' }))).toBe(true);
    expect(isNoSuchKey(answer({ Code: 'NoSuchKey' }))).toBe(true);
    expect(isNoSuchKey(answer({ name: 'NotFound' }))).toBe(true);
    expect(isNoSuchKey(answer({ name: 'NoSuchBucket' }))).toBe(false);
    const page = { $response: { headers: { 'content-type': 'text/html' } } };
    expect(isNoSuchKey(answer({ name: 'NotFound', ...page, sent: SENT }))).toBe(false);
  });

  it('include that a kind of request is not supported', () => {
    expect(isNotImplemented(answer({ Code: 'NotImplemented' }))).toBe(true);
    expect(isNotImplemented(answer({ name: 'MethodNotAllowed' }))).toBe(true);
    expect(isNotImplemented(answer(withStatus(501)))).toBe(true);
    expect(isNotImplemented(answer({ Code: 'AccessDenied', ...withStatus(500) }))).toBe(false);
  });

  it('include a missing bucket, or a web page, if that was detected here', () => {
    const cause = answer({ sent: SENT });
    expect(noSuchBucket(cause)).toMatchObject({ name: 'NoSuchBucket', cause, sent: SENT });
    expect(webPage()).toMatchObject({ name: 'WebPage' });
  });
});
