import type { createS3Storage, S3Options } from '../../../src/media/s3/storage.ts';
import { put } from '../storageContract.ts';

export type Storage = ReturnType<typeof createS3Storage>;

const KEY = 'video/0123.mp4';

export const upload = (storage: Storage) => put(storage, KEY, 'bytes');
const read = (storage: Storage) => storage.read(KEY);
const stat = (storage: Storage) => storage.stat(KEY);
const list = (storage: Storage) => Array.fromAsync(storage.list());
const remove = (storage: Storage) => storage.remove(KEY);

/** A refusal in the words of a service, and the expected advice for the operator. */
export interface Example {
  /** The service. */
  readonly of: string;
  readonly status: number;
  /** Elements of its response. */
  readonly xml?: Readonly<Record<string, string>>;
  /** The response if it is no XML. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly does?: (storage: Storage) => Promise<unknown>;
  readonly options?: Partial<S3Options>;
  readonly tells: RegExp;
}

const VIRTUAL_HOST: Partial<S3Options> = { pathStyle: false };
const ENCRYPTED: Partial<S3Options> = { encryption: { algorithm: 'AES256' } };
const NO_CHECKSUMS: Partial<S3Options> = { checksums: false };
const HTML = { 'content-type': 'text/html; charset=utf-8' };

const CHECKSUMS_OFF = /set ONETAKE_S3_CHECKSUMS=false/;
export const PATH_STYLE = /set ONETAKE_S3_PATH_STYLE=true/;

export const EXAMPLES: readonly Example[] = [
  {
    of: 'B2, of a checksum',
    status: 400,
    xml: {
      Code: 'InvalidArgument',
      Message: "Unsupported header 'x-amz-checksum-crc32' received for this API call.",
    },
    tells: CHECKSUMS_OFF,
  },
  {
    of: 'B2, of its algorithm',
    status: 400,
    xml: {
      Code: 'InvalidArgument',
      Message: "Unsupported header 'x-amz-sdk-checksum-algorithm' received for this API call.",
    },
    tells: CHECKSUMS_OFF,
  },
  {
    of: 'R2, of a checksum',
    status: 501,
    xml: {
      Code: 'NotImplemented',
      Message: "Header 'x-amz-checksum-crc32' with value 'na5Sxg==' not implemented",
    },
    tells: CHECKSUMS_OFF,
  },
  {
    of: 'R2, of a trailer',
    status: 501,
    xml: { Code: 'NotImplemented', Message: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER not implemented' },
    tells: CHECKSUMS_OFF,
  },
  {
    of: 'OSS, of a trailer',
    status: 400,
    xml: {
      Code: 'InvalidArgument',
      Message: 'aws-chunked encoding is not supported with the specified x-amz-content-sha256 value.',
      ArgumentName: 'x-amz-content-sha256',
      ArgumentValue: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    },
    tells: CHECKSUMS_OFF,
  },
  {
    of: 'OSS, of old',
    status: 501,
    xml: { Code: 'NotImplemented', Message: 'Aws MultiChunkedEncoding is not supported.' },
    tells: CHECKSUMS_OFF,
  },
  {
    of: 'AWS, of a header that it names',
    status: 501,
    xml: {
      Code: 'NotImplemented',
      Message: 'A header you provided implies functionality that is not implemented',
      Header: 'Transfer-Encoding',
    },
    tells: CHECKSUMS_OFF,
  },
  {
    of: 'OBS, of a trailer',
    status: 400,
    xml: {
      Code: 'XAmzContentSHA256Mismatch',
      Message: "The provided 'x-amz-content-sha256' header does not match what was computed.",
    },
    tells: CHECKSUMS_OFF,
  },
  {
    of: 'Google, of an upload',
    status: 403,
    xml: {
      Code: 'SignatureDoesNotMatch',
      Message: 'The request signature we calculated does not match the signature you provided.',
    },
    tells: /ONETAKE_S3_SECRET_ACCESS_KEY; where reading works.*ONETAKE_S3_CHECKSUMS=false/,
  },
  {
    of: 'AWS, of a bucket with Object Lock',
    status: 400,
    xml: {
      Code: 'InvalidRequest',
      Message:
        'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters',
    },
    options: NO_CHECKSUMS,
    tells: /set ONETAKE_S3_CHECKSUMS=true/,
  },
  {
    of: 'OSS, of a bucket in the path',
    status: 403,
    xml: { Code: 'SecondLevelDomainForbidden', Message: 'Please use virtual hosted style to access.' },
    tells: /set ONETAKE_S3_PATH_STYLE=false/,
  },
  {
    of: 'COS, of a bucket in the path',
    status: 403,
    xml: {
      Code: 'PathStyleDomainForbidden',
      Message: 'The bucket you are attempting to access must be addressed using COS virtual-styled domain.',
    },
    tells: /set ONETAKE_S3_PATH_STYLE=false/,
  },
  {
    of: 'MinIO, of a bucket in the host name',
    status: 400,
    xml: {
      Code: 'MalformedXML',
      Message: 'The XML you provided was not well-formed or did not validate against our published schema.',
    },
    options: VIRTUAL_HOST,
    tells: PATH_STYLE,
  },
  {
    of: 'MinIO, of the first part of a key',
    status: 404,
    xml: { Code: 'NoSuchBucket', Message: 'The specified bucket does not exist' },
    options: VIRTUAL_HOST,
    tells: PATH_STYLE,
  },
  {
    of: 'AWS, of a bucket that is not there',
    status: 404,
    xml: { Code: 'NoSuchBucket', Message: 'The specified bucket does not exist' },
    tells: /correct ONETAKE_S3_BUCKET\.$/,
  },
  {
    of: 'any, of a bucket that is not there, without a body',
    status: 404,
    does: stat,
    options: VIRTUAL_HOST,
    tells: PATH_STYLE,
  },
  {
    of: 'OSS, of the name',
    status: 400,
    xml: { Code: 'InvalidBucketName', Message: 'The specified bucket is not valid.' },
    tells: /ONETAKE_S3_BUCKET/,
  },
  {
    of: 'AWS, of the region',
    status: 400,
    xml: {
      Code: 'AuthorizationHeaderMalformed',
      Message:
        "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'",
      Region: 'eu-central-1',
    },
    tells: /set ONETAKE_S3_REGION=eu-central-1,/,
  },
  {
    of: 'Garage, of the region',
    status: 400,
    xml: {
      Code: 'AuthorizationHeaderMalformed',
      Message: 'Authorization header malformed, unexpected scope: 20251215/us-east-1/s3/aws4_request',
    },
    tells: /correct ONETAKE_S3_REGION/,
  },
  {
    of: 'R2, of the region',
    status: 400,
    xml: {
      Code: 'InvalidRegionName',
      Message:
        "The region name 'ap-northeast-2' is not valid. Must be one of: wnam, enam, weur, eeur, apac, oc, auto",
    },
    tells: /set ONETAKE_S3_REGION=auto/,
  },
  {
    of: 'OSS, of the region',
    status: 400,
    xml: { Code: 'InvalidArgument', Message: 'Invalid signing region in Authorization header.' },
    tells: /correct ONETAKE_S3_REGION/,
  },
  {
    of: 'OSS, of the endpoint',
    status: 403,
    xml: {
      Code: 'AccessDenied',
      Message:
        'The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.',
      Endpoint: 'oss-cn-beijing.aliyuncs.com',
    },
    tells: /correct ONETAKE_S3_ENDPOINT/,
  },
  {
    of: 'AWS, of the region, without a body',
    status: 301,
    headers: { 'x-amz-bucket-region': 'eu-west-1' },
    does: stat,
    tells: /set ONETAKE_S3_REGION=eu-west-1,/,
  },
  {
    of: 'AWS, of the signing region, without a body',
    status: 400,
    headers: { 'x-amz-bucket-region': 'eu-west-1' },
    does: stat,
    tells: /set ONETAKE_S3_REGION=eu-west-1,/,
  },
  {
    of: 'MinIO, of encryption',
    status: 501,
    xml: { Code: 'NotImplemented', Message: 'Server side encryption specified but KMS is not configured' },
    options: ENCRYPTED,
    tells: /unset ONETAKE_S3_SSE/,
  },
  {
    of: 'R2, of encryption',
    status: 501,
    xml: {
      Code: 'NotImplemented',
      Message: "Header 'x-amz-server-side-encryption' with value 'AES256' not implemented",
    },
    options: ENCRYPTED,
    tells: /unset ONETAKE_S3_SSE/,
  },
  {
    of: 'OSS, of the algorithm',
    status: 400,
    xml: {
      Code: 'InvalidEncryptionAlgorithmError',
      Message: 'The Encryption request you specified is not valid. Supported value: AES256/KMS.',
    },
    tells: /correct ONETAKE_S3_SSE\b/,
  },
  {
    of: 'AWS, of the right to a key',
    status: 403,
    xml: {
      Code: 'AccessDenied',
      Message:
        'User: arn:aws:iam::1:user/x is not authorized to perform: kms:GenerateDataKey on this resource',
    },
    options: ENCRYPTED,
    tells: /permissions kms:GenerateDataKey/,
  },
  {
    of: 'AWS, of a key that is gone',
    status: 400,
    xml: { Code: 'KMS.NotFoundException', Message: 'Invalid keyId' },
    tells: /ONETAKE_S3_SSE_KMS_KEY_ID/,
  },
  {
    of: 'any, of an option that it does not name',
    status: 501,
    xml: {
      Code: 'NotImplemented',
      Message: 'A header you provided implies functionality that is not implemented',
    },
    options: ENCRYPTED,
    tells: /ONETAKE_S3_CHECKSUMS=false, or unset ONETAKE_S3_SSE/,
  },
  {
    of: 'B2, of its master key',
    status: 403,
    xml: { Code: 'InvalidAccessKeyId', Message: 'Malformed Access Key Id' },
    tells: /not the master key/,
  },
  {
    of: 'Google, of a key that is no HMAC key',
    status: 403,
    xml: {
      Code: 'InvalidSecurity',
      Message: 'The provided security credentials are not valid.',
      Details: 'Incorrect Authorization header',
    },
    tells: /ONETAKE_S3_ACCESS_KEY_ID \(of Google an HMAC key/,
  },
  {
    of: 'R2, of a key',
    status: 401,
    xml: { Code: 'Unauthorized', Message: 'Unauthorized' },
    tells: /ONETAKE_S3_ACCESS_KEY_ID/,
  },
  {
    of: 'AWS, of the secret',
    status: 403,
    xml: {
      Code: 'SignatureDoesNotMatch',
      Message: 'The request signature we calculated does not match the signature you provided.',
    },
    does: list,
    tells: /correct ONETAKE_S3_SECRET_ACCESS_KEY/,
  },
  {
    of: 'AWS, of a session that has ended',
    status: 400,
    xml: { Code: 'ExpiredToken', Message: 'The provided token has expired.' },
    tells: /have expired/,
  },
  {
    of: 'any, of the clock',
    status: 403,
    xml: {
      Code: 'RequestTimeTooSkewed',
      Message: 'The difference between the request time and the current time is too large.',
    },
    tells: /set this machine's clock/,
  },
  {
    of: 'B2, of its cap',
    status: 403,
    xml: {
      Code: 'AccessDenied',
      Message: 'Cannot upload files, storage cap exceeded. See the Caps & Alerts page to increase your cap.',
    },
    tells: /a cap of its account/,
  },
  {
    of: 'OSS, of an account in arrears',
    status: 403,
    xml: { Code: 'UserDisable', Message: 'UserDisable' },
    tells: /closed to this account/,
  },
  ...(
    [
      [upload, 's3:PutObject'],
      [read, 's3:GetObject'],
      [list, 's3:ListBucket'],
      [remove, 's3:DeleteObject'],
    ] as const
  ).map(([does, permission]) => ({
    of: `B2, of what needs ${permission}`,
    status: 403,
    xml: { Code: 'AccessDenied', Message: 'not entitled' },
    does,
    tells: new RegExp(`permission ${permission} `),
  })),
  { of: 'any, of a HEAD', status: 403, does: stat, tells: /refuses HeadObject; .* permission s3:GetObject / },
  {
    of: 'MinIO, of a full disk',
    status: 507,
    xml: {
      Code: 'XMinioStorageFull',
      Message: 'Storage backend has reached its minimum free drive threshold.',
    },
    tells: /is full/,
  },
  {
    of: 'R2, of the size',
    status: 400,
    xml: { Code: 'EntityTooLarge', Message: 'Your proposed upload exceeds the maximum allowed object size.' },
    tells: /of this size/,
  },
  {
    of: 'AWS, of the load',
    status: 503,
    xml: { Code: 'SlowDown', Message: 'Please reduce your request rate.' },
    tells: /fewer requests/,
  },
  {
    of: 'AWS, of the digest',
    status: 400,
    xml: { Code: 'BadDigest', Message: 'The Content-MD5 you specified did not match what we received.' },
    tells: /damaged on their way/,
  },
  {
    of: 'MinIO, at the port of its console',
    status: 403,
    xml: {
      Code: 'AccessDenied',
      Message: 'S3 API Request made to Console port. S3 Requests should be sent to API port.',
    },
    tells: /ONETAKE_S3_ENDPOINT to the port of its API/,
  },
  {
    of: 'MinIO, spoken to without TLS',
    status: 400,
    text: 'Client sent an HTTP request to an HTTPS server.\n',
    tells: /ONETAKE_S3_ENDPOINT with https/,
  },
  {
    of: 'nginx, spoken to without TLS',
    status: 400,
    text: '<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head><body><center><hr></body></html>',
    headers: HTML,
    tells: /ONETAKE_S3_ENDPOINT with https/,
  },
  {
    of: 'a proxy that sends on to TLS',
    status: 301,
    text: '<html><body>Moved</body></html>',
    headers: { ...HTML, location: 'https://s3.example/' },
    tells: /ONETAKE_S3_ENDPOINT with https/,
  },
  {
    of: 'a proxy that bounds bodies',
    status: 413,
    text: '<html><head><title>413 Request Entity Too Large</title></head><body><hr></body></html>',
    headers: HTML,
    tells: /client_max_body_size/,
  },
  {
    of: 'a web site',
    status: 404,
    text: '<html><head><title>404 Not Found</title></head><body><center><hr></body></html>',
    headers: HTML,
    tells: /is a web page.*ONETAKE_S3_ENDPOINT/,
  },
  {
    of: 'a web site, with a page that is XML as well',
    status: 404,
    text: '<html><body><p>Not found</p></body></html>',
    headers: HTML,
    does: read,
    tells: /is a web page.*ONETAKE_S3_ENDPOINT/,
  },
  {
    of: 'a console that has a page for everything',
    status: 200,
    text: '<!doctype html><html><body><div id="root"></div></body></html>',
    headers: HTML,
    does: (storage) => storage.claim('this one'),
    tells: /is a web page.*ONETAKE_S3_ENDPOINT/,
  },
];
