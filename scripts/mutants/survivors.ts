import type { Mutant } from './instrument.ts';

/** A mutant that no test can notice, because it does not change what the program does. */
export interface Equivalent {
  /** The path below `packages/gateway/src`. */
  readonly file: string;
  readonly mutator: string;
  /** The changed code, or its beginning. */
  readonly original: string;
  readonly replacement: string;
  /** Part of its line, if the file has the same code elsewhere. */
  readonly within?: string;
  readonly reason: string;
}

/** These do not count. An entry that matches no mutant is an error, so that the list stays correct. */
export const EQUIVALENT: readonly Equivalent[] = [
  {
    file: 'media/s3/client.ts',
    mutator: 'ConditionalExpression',
    original: 'endpoint === undefined',
    replacement: 'false',
    within: '{ endpoint }',
    reason: 'The SDK takes an undefined endpoint for none.',
  },
  {
    file: 'media/inputs/inlineImage.ts',
    mutator: 'EqualityOperator',
    original: 'comma > 0',
    replacement: 'comma >= 0',
    reason: 'The text begins with "data:", so its first character is no comma.',
  },
  {
    file: 'media/s3/client.ts',
    mutator: 'StringLiteral',
    original: "'noteRequest'",
    replacement: '""',
    reason: 'The name of a middleware, which nothing refers to.',
  },
  {
    file: 'providers/http/calls.ts',
    mutator: 'ConditionalExpression',
    original: 'json === undefined',
    replacement: 'false',
    within: 'JSON.stringify(json)',
    reason: 'As JSON, undefined is undefined, which undici sends as no body.',
  },
  {
    file: 'providers/http/upstreamHttp.ts',
    mutator: 'ConditionalExpression',
    original: 'body === undefined',
    replacement: 'false',
    reason: 'The same.',
  },
  {
    file: 'engine/stages/pollWatch.ts',
    mutator: 'ConditionalExpression',
    original: 'dueSince === undefined',
    replacement: 'false',
    reason: 'Without this line the result is not a number, which is not above any other wait.',
  },
  {
    file: 'media/inspect/decodeStrictly.ts',
    mutator: 'ConditionalExpression',
    original: 'rows > 0',
    replacement: 'true',
    reason: 'Of no rows there are no bytes.',
  },
  {
    file: 'media/inspect/decodeStrictly.ts',
    mutator: 'EqualityOperator',
    original: 'rows > 0',
    replacement: 'rows >= 0',
    reason: 'The same.',
  },
  {
    file: 'store/postgres/batches.ts',
    mutator: 'ConditionalExpression',
    original: 'scheduled',
    replacement: 'false',
    reason: 'A second flush in one turn finds nothing to send.',
  },
  {
    file: 'store/postgres/batches.ts',
    mutator: 'BooleanLiteral',
    original: 'true',
    replacement: 'false',
    within: 'scheduled = true',
    reason: 'The same.',
  },
  {
    file: 'store/postgres/batches.ts',
    mutator: 'ConditionalExpression',
    original: 'at < queue.length',
    replacement: 'true',
    reason: 'Behind the end there is no entry, which ends the loop too.',
  },
  {
    file: 'store/postgres/batches.ts',
    mutator: 'EqualityOperator',
    original: 'at < queue.length',
    replacement: 'at <= queue.length',
    reason: 'The same.',
  },
  {
    file: 'tasks/likeness.ts',
    mutator: 'Regex',
    original: '/\\\\+[nrtbf]?/g',
    replacement: '/\\\\[nrtbf]?/g',
    reason:
      'What stands in for backslashes is dropped with all that is no letter, be it one space or several.',
  },
  {
    file: 'tasks/likeness.ts',
    mutator: 'StringLiteral',
    original: "' '",
    replacement: '""',
    within: 'nrtbf',
    reason: 'What stands in for an escape is dropped with all that is no letter.',
  },
  {
    file: 'tasks/likeness.ts',
    mutator: 'StringLiteral',
    original: "' '",
    replacement: '""',
    within: 'nbsp',
    reason: 'The same.',
  },
  {
    file: 'tasks/reasons.ts',
    mutator: 'ConditionalExpression',
    original: 'word !== undefined',
    replacement: 'true',
    reason: 'No reason is called "undefined"; the comparison is there for the types.',
  },
  {
    file: 'tasks/likeness.ts',
    mutator: 'EqualityOperator',
    original: 'code <= 0x10ffff',
    replacement: 'code < 0x10ffff',
    reason: 'The last code point is no letter, and dropped like all beyond U+FFFF.',
  },
  {
    file: 'limits/account.ts',
    mutator: 'ConditionalExpression',
    original: 'trouble.waitMs > 0',
    replacement: 'true',
    reason: 'A block of no time ends at once, and of two blocks the longer one applies.',
  },
  {
    file: 'limits/account.ts',
    mutator: 'EqualityOperator',
    original: 'trouble.waitMs > 0',
    replacement: 'trouble.waitMs >= 0',
    reason: 'The same.',
  },
  {
    file: 'cluster/postgres/lease.ts',
    mutator: 'CallExpression',
    original: 'stop();',
    replacement: ';',
    within: '      stop();',
    reason: 'The end of the connection, for which `close` waits, stops the lease too.',
  },
  {
    file: 'cluster/postgres/lease.ts',
    mutator: 'ConditionalExpression',
    original: 'channel === CHANNEL',
    replacement: 'true',
    reason: 'The connection listens to this channel alone.',
  },
  {
    file: 'cluster/ownership.ts',
    mutator: 'ConditionalExpression',
    original: 'stopped',
    replacement: 'false',
    within: 'if (stopped) return;',
    reason: 'A look of a node that has stopped does nothing.',
  },
  {
    file: 'engine/repair/scrub.ts',
    mutator: 'OptionalChaining',
    original: 'rows.at(-1)?.id',
    replacement: 'rows.at(-1).id',
    reason: 'Of a whole batch of rows there is a last one; the check is there for the types.',
  },
  {
    file: 'engine/events/remoteReads.ts',
    mutator: 'ConditionalExpression',
    original: 'waiting.size === 0',
    replacement: 'false',
    reason: 'A read of no tasks ends without a question to the store.',
  },
  {
    file: 'engine/stages/remoteCancel.ts',
    mutator: 'EqualityOperator',
    original: 'latest.version >= seen.version',
    replacement: 'latest.version > seen.version',
    reason: 'Two messages with one version of a task have the same task.',
  },
  {
    file: 'engine/stages/poller.ts',
    mutator: 'ConditionalExpression',
    original: 'ms < Number.POSITIVE_INFINITY',
    replacement: 'true',
    reason: 'A timer that is infinitely far away never fires, and the next `pump` cancels it.',
  },
  {
    file: 'media/inspect/decodeStrictly.ts',
    mutator: 'CallExpression',
    original: 'inflate.destroy();',
    replacement: ';',
    reason: 'It only ends a decoder whose further rows nobody counts.',
  },
  {
    file: 'media/inspect/remux.job.ts',
    mutator: 'CallExpression',
    original: 'output.freeContext();',
    replacement: ';',
    reason: 'It only frees memory before the garbage collection does.',
  },
  {
    file: 'media/s3/list.ts',
    mutator: 'ArrayDeclaration',
    original: '[]',
    replacement: '["Stryker was here"]',
    within: 'page.Contents',
    reason: 'An object without a key is passed over.',
  },
  {
    file: 'media/s3/list.ts',
    mutator: 'ArrayDeclaration',
    original: '[]',
    replacement: '["Stryker was here"]',
    within: 'page.Uploads',
    reason: 'The same.',
  },
  {
    file: 'media/s3/idleTimeout.ts',
    mutator: 'ConditionalExpression',
    original: 'more',
    replacement: 'false',
    reason: 'The stream asks for more by itself, and the source goes on then.',
  },
  {
    file: 'media/open.ts',
    mutator: 'ConditionalExpression',
    original: 's3AccessKeyId !== undefined',
    replacement: 'true',
    reason: 'The settings have both or none; both are checked for the types.',
  },
  {
    file: 'media/open.ts',
    mutator: 'ConditionalExpression',
    original: 's3SecretAccessKey !== undefined',
    replacement: 'true',
    reason: 'The same.',
  },
  {
    file: 'media/inspect/openVideo.ts',
    mutator: 'StringLiteral',
    original: "'unknown'",
    replacement: '""',
    reason: 'FFmpeg has a name for every number; the word is there for the types.',
  },
  {
    file: 'media/inspect/decodeStrictly.ts',
    mutator: 'ConditionalExpression',
    original: '(await decoder.receiveFrame(frame)) !== AVERROR_INVALIDDATA',
    replacement: 'true',
    reason: 'This version of FFmpeg decodes when it is sent the packet; the interface allows both.',
  },
  {
    file: 'media/s3/client.ts',
    mutator: 'StringLiteral',
    original: "'standard'",
    replacement: '""',
    reason: 'The default of the SDK, unless the environment sets another.',
  },
  {
    file: 'media/s3/storage.ts',
    mutator: 'CallExpression',
    original: 'throw new MissingObject(key);',
    replacement: ';',
    reason: 'The request for its bytes has the same answer.',
  },
  {
    file: 'media/inspect/probe.job.ts',
    mutator: 'StringLiteral',
    original: "''",
    replacement: '"Stryker was here!"',
    within: 'iformat',
    reason: 'A file that was opened has a format; the word is there for the types.',
  },
  {
    file: 'media/open.ts',
    mutator: 'LogicalOperator',
    original: 's3AccessKeyId !== undefined',
    replacement: 's3AccessKeyId !== undefined || s3SecretAccessKey !== undefined',
    reason: 'The same.',
  },
  {
    file: 'media/inspect/decodeFrame.ts',
    mutator: 'CallExpression',
    original: 'frame.free();',
    replacement: ';',
    reason: 'It only frees memory before the garbage collection does.',
  },
  {
    file: 'media/verified.ts',
    mutator: 'ArrowFunction',
    original: '() =>',
    replacement: '() => undefined',
    within: 'measureStream(source).finally',
    reason: 'To end a stream that has ended changes nothing; this only frees it.',
  },
  {
    file: 'media/verified.ts',
    mutator: 'StringLiteral',
    original: "'abort'",
    replacement: '""',
    within: 'removeEventListener',
    reason: 'The same.',
  },
  {
    file: 'media/s3/upload.ts',
    mutator: 'CallExpression',
    original: 'stream.destroy();',
    replacement: ';',
    reason: 'The library ends the stream of a failed upload, which it does not promise.',
  },
  {
    file: 'media/links/bucket.ts',
    mutator: 'ConditionalExpression',
    original: 'key !== undefined',
    replacement: 'true',
    reason: 'The cache takes undefined for no entry; the check is there for the types.',
  },
  {
    file: 'media/inspect/decodeStrictly.ts',
    mutator: 'ConditionalExpression',
    original: 'missing <= 0',
    replacement: 'false',
    within: 'end(true)',
    reason:
      'At the end of the data the same is asked; a wrong checksum of them is noticed by the decoder for display.',
  },
  {
    file: 'media/inspect/decodeStrictly.ts',
    mutator: 'EqualityOperator',
    original: 'missing <= 0',
    replacement: 'missing < 0',
    within: 'end(true)',
    reason: 'The same.',
  },
  {
    file: 'cluster/postgres/ownSession.ts',
    mutator: 'ConditionalExpression',
    original: "'processID' in client && typeof client.processID === 'number'",
    replacement: 'true',
    reason: 'The client has this number once it is connected; the check is there for its types.',
  },
  {
    file: 'cluster/historyGuard.ts',
    mutator: 'AssignmentOperator',
    original: 'checks += 1',
    replacement: 'checks -= 1',
    within: '        checks += 1;',
    reason: 'Any other number ends the check.',
  },
];

export function isListed({ file, mutator, original, replacement, code }: Mutant, entry: Equivalent): boolean {
  return (
    file === `packages/gateway/src/${entry.file}` &&
    mutator === entry.mutator &&
    original.startsWith(entry.original) &&
    replacement === entry.replacement &&
    code.includes(entry.within ?? '')
  );
}
