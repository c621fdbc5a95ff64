/** The properties of a request on which the meaning of a refusal depends. */
export interface SentRequest {
  /** `PutObject`, `HeadBucket`, … */
  readonly operation: string;
  /** Whether `ONETAKE_S3_ENDPOINT` names the server. */
  readonly endpoint: boolean;
  readonly pathStyle: boolean;
  readonly checksums: boolean;
  readonly encrypted: boolean;
}

/** A failed request, and the server's response. */
export interface Refusal {
  /** The code of the server, or of Node's network stack; empty if there is none. */
  readonly code: string;
  readonly status: number | undefined;
  /** The message, and the header or argument that it refers to. */
  readonly words: string;
  /** The response is an HTML page. */
  readonly isPage: boolean;
  /** Where the bucket is, if the server says so. */
  readonly region: string | undefined;
  /** The target of a redirect. */
  readonly location: string | undefined;
  readonly sent: SentRequest;
}

/** A kind of refusal. All given conditions must match. */
interface Row {
  readonly codes?: readonly string[];
  readonly statuses?: readonly number[];
  readonly words?: RegExp;
  readonly when?: (refusal: Refusal) => boolean;
  /** The rest of a sentence that begins with "The gateway's object storage". API clients see it, so it names no bucket, host or key. */
  readonly say: string | ((refusal: Refusal) => string);
}

/** The permissions that an access key needs. docs/storage.md has the names that other services use. */
const PERMISSIONS: Readonly<Record<string, string>> = {
  GetObject: 's3:GetObject',
  HeadObject: 's3:GetObject',
  PutObject: 's3:PutObject',
  CreateMultipartUpload: 's3:PutObject',
  UploadPart: 's3:PutObject',
  CompleteMultipartUpload: 's3:PutObject',
  AbortMultipartUpload: 's3:AbortMultipartUpload',
  DeleteObject: 's3:DeleteObject',
  HeadBucket: 's3:ListBucket',
  ListObjectsV2: 's3:ListBucket',
  ListMultipartUploads: 's3:ListBucketMultipartUploads',
};

const isUpload = ({ sent }: Refusal): boolean => PERMISSIONS[sent.operation] === 's3:PutObject';
const hasChecksum = (refusal: Refusal): boolean => refusal.sent.checksums && isUpload(refusal);
const isEncrypted = (refusal: Refusal): boolean => refusal.sent.encrypted && isUpload(refusal);
/** The bucket is part of the host name, which the server may not support. */
const hasBucketInHost = ({ sent }: Refusal): boolean => sent.endpoint && !sent.pathStyle;

const NO_CHECKSUMS = 'does not know the checksums that uploads carry; set ONETAKE_S3_CHECKSUMS=false.';
const BUCKET_IN_PATH = 'where the server is not reached at <bucket>.<host>, set ONETAKE_S3_PATH_STYLE=true';
const OTHER_REGION = ({ region }: Refusal): string =>
  `has the bucket in another region; ${region ? `set ONETAKE_S3_REGION=${region}` : 'correct ONETAKE_S3_REGION'}, and see ONETAKE_S3_ENDPOINT.`;

/** The first row that matches is used, so specific rows come before general ones. */
export const REFUSALS: readonly Row[] = [
  // The server is not an S3 server, or not the intended one.
  // MinIO's console has its own port: github.com/pivotal-sadubois/tanzu-demo-hub/issues/13, minio/minio#12580.
  {
    words: /\b(?:console|API) port\b/i,
    say: 'answers at the port of its console; set ONETAKE_S3_ENDPOINT to the port of its API.',
  },
  // The message of Go and nginx for plain HTTP at a TLS port.
  {
    words: /HTTP request (?:was sent )?to (?:an )?HTTPS/i,
    say: 'speaks only TLS at this port; write ONETAKE_S3_ENDPOINT with https://.',
  },
  // Other servers answer plain HTTP with a TLS alert, which is not valid HTTP.
  {
    words: /^Parse Error/,
    say: 'does not answer in HTTP; write ONETAKE_S3_ENDPOINT with https://, or correct its port.',
  },
  // OpenSSL's message for plain HTTP instead of TLS.
  {
    words: /wrong version number|packet length too long/i,
    say: 'does not speak TLS at this port; write ONETAKE_S3_ENDPOINT with http://, or correct its port.',
  },
  // The certificate of *.host does not cover a bucket with dots in its name (S3 User Guide, "Virtual hosting of buckets").
  {
    codes: ['ERR_TLS_CERT_ALTNAME_INVALID'],
    say: ({ sent }) =>
      sent.pathStyle
        ? 'has a certificate for another host name; correct ONETAKE_S3_ENDPOINT.'
        : 'has a certificate that does not cover the bucket in the host name; set ONETAKE_S3_PATH_STYLE=true, or correct ONETAKE_S3_ENDPOINT.',
  },
  // Node's documentation of tls, "X509 certificate error codes".
  {
    codes: [
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'SELF_SIGNED_CERT_IN_CHAIN',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'UNABLE_TO_GET_ISSUER_CERT',
      'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    ],
    say: 'has a certificate of an unknown authority; name the file with its certificate in NODE_EXTRA_CA_CERTS.',
  },
  {
    codes: ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'],
    say: "has a certificate that is not valid now; renew it, or set this machine's clock.",
  },
  {
    codes: ['ENOTFOUND', 'EAI_AGAIN'],
    when: hasBucketInHost,
    say: `has no known address; correct ONETAKE_S3_ENDPOINT, or, ${BUCKET_IN_PATH}.`,
  },
  {
    codes: ['ENOTFOUND', 'EAI_AGAIN'],
    say: 'has no known address; correct ONETAKE_S3_ENDPOINT, and check the name server.',
  },
  {
    statuses: [301, 302, 307, 308],
    when: ({ code, region, location }) =>
      code === '' && region === undefined && location?.startsWith('https:') === true,
    say: 'sends requests on to TLS; write ONETAKE_S3_ENDPOINT with https://.',
  },
  // nginx's client_max_body_size, and proxies like it: an HTML page with this status.
  {
    statuses: [413],
    say: 'is behind a proxy that refuses bodies of 8 MiB; let it pass them (nginx: client_max_body_size).',
  },
  {
    when: ({ code, isPage, status = 500 }) => code === 'WebPage' || (isPage && status < 500),
    say: 'is a web page, not an S3 server; correct ONETAKE_S3_ENDPOINT, and check the proxies before it.',
  },

  // The bucket in the path or in the host name.
  // OSS: peak/s5cmd#518, fluent/fluent-bit#10390. COS, of buckets since 2024: cloud.tencent.com/document/faq/436/102489.
  {
    codes: ['SecondLevelDomainForbidden', 'PathStyleDomainForbidden'],
    say: 'requires the bucket in the host name; set ONETAKE_S3_PATH_STYLE=false.',
  },
  // MinIO without a domain takes the first part of the key as the bucket: minio/minio#20135, #10910.
  {
    codes: ['MalformedXML', 'MethodNotAllowed'],
    when: (refusal) => hasBucketInHost(refusal) && isUpload(refusal),
    say: 'does not know the bucket in the host name; set ONETAKE_S3_PATH_STYLE=true.',
  },
  {
    codes: ['NoSuchBucket'],
    when: hasBucketInHost,
    say: `has no such bucket; create it, correct ONETAKE_S3_BUCKET, or, ${BUCKET_IN_PATH}.`,
  },
  { codes: ['NoSuchBucket'], say: 'has no such bucket; create it, or correct ONETAKE_S3_BUCKET.' },
  { codes: ['InvalidBucketName'], say: 'does not accept this bucket name; correct ONETAKE_S3_BUCKET.' },

  // Checksums.
  // AWS, of a bucket with Object Lock: S3 API reference, PutObject, "Content-MD5".
  {
    words: /Content-MD5.* is required/i,
    when: ({ sent }) => !sent.checksums,
    say: 'requires a checksum with each upload (its bucket has Object Lock); set ONETAKE_S3_CHECKSUMS=true.',
  },
  // B2, InvalidArgument "Unsupported header 'x-amz-checksum-crc32'": diced/zipline#746, home-assistant/core#143995.
  // R2, NotImplemented "Header 'x-amz-checksum-crc32' … not implemented": cloudflare/cloudflare-docs#19236, soto-project/soto#643.
  // OSS, InvalidArgument "aws-chunked encoding is not supported", before NotImplemented "Aws MultiChunkedEncoding is not supported":
  // karakeep-app/karakeep#2191, apache/polaris#3346, gomods/athens#1296. COS and GCS refuse the same: milvus-io/milvus#49978.
  {
    words:
      /x-amz-(?:sdk-)?checksum|x-amz-trailer|aws-chunked|MultiChunkedEncoding|STREAMING-|transfer-encoding/i,
    when: hasChecksum,
    say: NO_CHECKSUMS,
  },
  // Civo, OBS and older MinIO treat the trailer as part of the body: rqlite/rqlite#2701, milvus-io/milvus-storage#500.
  { codes: ['XAmzContentSHA256Mismatch', 'MissingContentLength'], when: hasChecksum, say: NO_CHECKSUMS },

  // Encryption at rest.
  // MinIO without KES, NotImplemented or InvalidArgument "… KMS is not configured": minio/minio#6367, #16904. R2 knows no header of it:
  // developers.cloudflare.com/r2/api/s3/api. OSS and B2 know other algorithms: alibabacloud.com/help/en/oss/user-guide/0005-00000003.
  {
    words: /server[- ]side[- ]encryption|\bSSE\b|\bKMS\b.*not configured/i,
    when: isEncrypted,
    say: 'does not support the requested encryption; unset ONETAKE_S3_SSE, or set up its encryption.',
  },
  {
    codes: ['InvalidEncryptionAlgorithmError', 'InvalidEncryptionAlgorithm'],
    say: 'does not know this encryption; correct ONETAKE_S3_SSE.',
  },
  // AWS, AccessDenied "… is not authorized to perform: kms:GenerateDataKey": S3 User Guide, "Troubleshoot access denied".
  {
    words: /\bkms:(?:GenerateDataKey|Decrypt)\b/,
    say: 'may not use the encryption key; give the access key the permissions kms:GenerateDataKey and kms:Decrypt on it, or see ONETAKE_S3_SSE_KMS_KEY_ID.',
  },
  // AWS: `KMS.NotFoundException`, `KMS.DisabledException`, …; MinIO: `kms:KeyNotFound`; COS, OSS: `KmsServiceNotEnabled`, ….
  {
    when: ({ code }) => /^kms/i.test(code),
    say: 'cannot use the encryption key; correct ONETAKE_S3_SSE_KMS_KEY_ID, and see the state of the key.',
  },

  // Region.
  // R2: docs "Bucket region"; its message lists wnam, enam, weur, eeur, apac, oc, auto.
  {
    codes: ['InvalidRegionName'],
    say: 'does not know the region; set ONETAKE_S3_REGION=auto (as Cloudflare R2 requires), or correct it.',
  },
  // OSS says this with AccessDenied (aliyun/ossutil#59), AWS with PermanentRedirect.
  {
    words: /must be addressed using the specified endpoint/i,
    say: ({ region }) =>
      `has the bucket at another endpoint; correct ONETAKE_S3_ENDPOINT, and ${region ? `set ONETAKE_S3_REGION=${region}` : 'see ONETAKE_S3_REGION'}.`,
  },
  // AWS; Garage, with "unexpected scope" (its region is `garage`): bauer-group/IP-HomeassistantS3CompatibleBackup#1; MinIO: `InvalidRegion`.
  {
    codes: [
      'PermanentRedirect',
      'TemporaryRedirect',
      'AuthorizationHeaderMalformed',
      'IllegalLocationConstraintException',
      'InvalidRegion',
    ],
    say: OTHER_REGION,
  },
  // OSS, InvalidArgument: help.aliyun.com/en/oss/user-guide/0002-00000228.
  { words: /signing region|region .{0,40}(?:is wrong|does not match)/i, say: OTHER_REGION },
  // AWS answers a HEAD in the wrong region like this, without a body. Only the header `x-amz-bucket-region` names the region.
  { statuses: [301, 307], say: OTHER_REGION },
  { statuses: [400], when: ({ code, region }) => code === '' && region !== undefined, say: OTHER_REGION },
  { words: /region is missing/i, say: 'needs its region; set ONETAKE_S3_REGION.' },

  // Keys.
  // B2 says InvalidAccessKeyId of its master key, which does not work with S3: backblaze.com/docs/cloud-storage-s3-compatible-app-keys.
  // R2, Unauthorized: developers.cloudflare.com/r2/api/error-codes. GCS, InvalidSecurity of anything but an HMAC key: s3fs-fuse#179.
  {
    codes: ['InvalidAccessKeyId', 'Unauthorized', 'InvalidSecurity'],
    say: 'does not know the access key; correct ONETAKE_S3_ACCESS_KEY_ID (of Google an HMAC key, of Backblaze an application key that is not the master key).',
  },
  // GCS, for an upload whose headers it signs differently: aws/aws-sdk-java-v2#5987.
  {
    codes: ['SignatureDoesNotMatch'],
    when: hasChecksum,
    say: 'refuses the signature of an upload; correct ONETAKE_S3_SECRET_ACCESS_KEY; where reading works with it, set ONETAKE_S3_CHECKSUMS=false.',
  },
  {
    codes: ['SignatureDoesNotMatch'],
    say: 'refuses the signature; correct ONETAKE_S3_SECRET_ACCESS_KEY, and see ONETAKE_S3_REGION and ONETAKE_S3_ENDPOINT (proxies must keep the host).',
  },
  {
    codes: ['ExpiredToken', 'TokenRefreshRequired', 'InvalidToken', 'SecurityTokenExpired'],
    say: 'says that the credentials have expired; renew them, or set ONETAKE_S3_ACCESS_KEY_ID and ONETAKE_S3_SECRET_ACCESS_KEY.',
  },
  {
    codes: ['CredentialsProviderError'],
    say: 'needs credentials, and none are configured; set ONETAKE_S3_ACCESS_KEY_ID and ONETAKE_S3_SECRET_ACCESS_KEY.',
  },
  {
    codes: ['RequestTimeTooSkewed', 'RequestExpired', 'RequestInTheFuture'],
    say: "has a different time than this machine; set this machine's clock, or the server's.",
  },
  // B2, AccessDenied "Cannot upload files, storage cap exceeded": Backblaze's documentation, "Data Caps and Alerts".
  { words: /\bcap exceeded\b/i, say: 'has reached a cap of its account; raise it there.' },
  // OSS: UserDisable, of an account in arrears; Ceph: UserSuspended; AWS: AccountProblem, NotSignedUp.
  {
    codes: ['AllAccessDisabled', 'UserDisable', 'UserSuspended', 'AccountProblem', 'NotSignedUp'],
    say: 'is closed to this account; check its state at the service, or correct ONETAKE_S3_BUCKET.',
  },
  // B2 adds "not entitled", GCS the permission; a HEAD has the status alone.
  {
    when: ({ code, status }) => code === 'AccessDenied' || (status === 403 && code === ''),
    say: ({ sent }) =>
      `refuses ${sent.operation}; give ONETAKE_S3_ACCESS_KEY_ID the permission ${PERMISSIONS[sent.operation] ?? `to ${sent.operation}`} (docs/storage.md lists all).`,
  },

  // Load and size.
  {
    codes: ['QuotaExceeded', 'XMinioStorageFull', 'XMinioAdminBucketQuotaExceeded'],
    say: 'is full; free space, or raise the quota of the bucket.',
  },
  { codes: ['EntityTooLarge'], say: 'does not take objects of this size; see its limits.' },
  {
    codes: ['SlowDown', 'TooManyRequests', 'Throttling', 'RequestLimitExceeded', 'QpsLimitExceeded'],
    say: 'asks for fewer requests; see its limits.',
  },
  { codes: ['BadDigest'], say: 'found the bytes damaged on their way.' },

  // An option that the server does not name. Conditional writes, which B2 and OSS do not support, are repeated without the condition.
  {
    codes: ['NotImplemented'],
    when: (refusal) => hasChecksum(refusal) || isEncrypted(refusal),
    say: (refusal) => {
      const checksums = hasChecksum(refusal) ? 'set ONETAKE_S3_CHECKSUMS=false' : undefined;
      const encryption = isEncrypted(refusal) ? 'unset ONETAKE_S3_SSE' : undefined;
      return `does not support an option of the request; ${[checksums, encryption].filter(Boolean).join(', or ')}.`;
    },
  },
];

const fits = ({ codes, statuses, words, when }: Row, refusal: Refusal): boolean =>
  (codes?.includes(refusal.code) ?? true) &&
  (statuses === undefined || (refusal.status !== undefined && statuses.includes(refusal.status))) &&
  (words?.test(refusal.words) ?? true) &&
  (when?.(refusal) ?? true);

export const rowOf = (refusal: Refusal): Row | undefined => REFUSALS.find((row) => fits(row, refusal));
