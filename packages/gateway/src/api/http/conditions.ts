import type { IncomingHttpHeaders } from 'node:http';
import { parse as parseRange } from 'range-parser';
import { OnetakeError } from '../../tasks/errors.ts';

/** The validators of a representation: its entity tag as sent, and the time of its last change. */
export interface Validators {
  readonly etag: string;
  /** Milliseconds UTC. */
  readonly modifiedAt?: number;
}

/** How to answer a request whose preconditions hold. */
export type Verdict = 'proceed' | 'not_modified';

/**
 * Evaluates the preconditions of a request in the order of RFC 9110, section 13.2.2. Throws a 412 if one fails. Invalid dates are
 * ignored, as the RFC requires.
 */
export function checkConditions(headers: IncomingHttpHeaders, method: string, current: Validators): Verdict {
  const { 'if-match': match, 'if-unmodified-since': unmodifiedSince } = headers;
  if (match !== undefined) {
    if (!matches(match, current.etag, isSameStrongly)) throw preconditionFailed();
  } else if (isAfter(current.modifiedAt, unmodifiedSince)) throw preconditionFailed();

  const { 'if-none-match': noneMatch, 'if-modified-since': modifiedSince } = headers;
  const isSafe = method === 'GET' || method === 'HEAD';
  if (noneMatch !== undefined) {
    if (!matches(noneMatch, current.etag, isSameWeakly)) return 'proceed';
    if (isSafe) return 'not_modified';
    throw preconditionFailed();
  }
  const since = isSafe ? secondsOf(modifiedSince) : undefined;
  if (since === undefined || current.modifiedAt === undefined) return 'proceed';
  return Math.floor(current.modifiedAt / 1000) <= since ? 'not_modified' : 'proceed';
}

/** The first and the last byte, both inclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The range to send if the other preconditions hold; undefined to send everything. Of several ranges, those outside the bytes are
 * dropped (RFC 9110, section 14.1.1) and adjacent ones are joined. If more than one is left, everything is sent, as section 14.2
 * permits.
 */
export function chosenRange(
  headers: IncomingHttpHeaders,
  method: string,
  bytes: number,
  current: Validators,
): ByteRange | 'unsatisfiable' | undefined {
  const { range } = headers;
  const ifRange = headers['if-range']?.toString();
  // Section 14.2: ranges are defined for GET only.
  if (range === undefined || method !== 'GET') return undefined;
  // Section 13.1.5: the client has a part of another version, so it needs all of this one.
  if (ifRange !== undefined && !isCurrentPart(ifRange, current)) return undefined;
  const { code, type, ranges } = parseRange(bytes, range);
  if (type !== 'bytes' || (code & MALFORMED) !== 0) return undefined;
  const [first, ...others] = joined(ranges);
  if (!first) return 'unsatisfiable';
  return others.length === 0 ? first : undefined;
}

/** The bit that range-parser sets for a malformed range. */
const MALFORMED = 1;

function joined(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const result: ByteRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (!last || range.start > last.end + 1) result.push(range);
    else result[result.length - 1] = { start: last.start, end: Math.max(last.end, range.end) };
  }
  return result;
}

/** Strong comparison. A date must be exactly `Last-Modified`; it is a strong validator, because the bytes never change within a second. */
function isCurrentPart(ifRange: string, { etag, modifiedAt }: Validators): boolean {
  if (/^(?:W\/)?"/.test(ifRange)) return isSameStrongly(ifRange.trim(), etag);
  return modifiedAt !== undefined && secondsOf(ifRange) === Math.floor(modifiedAt / 1000);
}

type Comparison = (a: string, b: string) => boolean;

/** Section 8.8.3.2. */
const isSameStrongly: Comparison = (a, b) => a === b && !a.startsWith('W/');
const isSameWeakly: Comparison = (a, b) => a.replace(/^W\//, '') === b.replace(/^W\//, '');

/** Whether a list of entity tags contains this one, or is `*`. Tags may contain commas. */
function matches(header: string, etag: string, isSame: Comparison): boolean {
  // What most clients send.
  if (header === etag) return isSame(etag, etag);
  if (header.trim() === '*') return true;
  return (header.match(/(?:W\/)?"[^"]*"/g) ?? []).some((tag) => isSame(tag, etag));
}

function isAfter(modifiedAt: number | undefined, date: string | undefined): boolean {
  const seconds = secondsOf(date);
  return seconds !== undefined && modifiedAt !== undefined && Math.floor(modifiedAt / 1000) > seconds;
}

/** The three formats of section 5.6.7, which all begin with the weekday. `Date.parse` alone would accept `1` and `2020` as dates. */
const HTTP_DATE =
  /^(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?,? (?:\d\d[ -]\w{3}[ -]\d{2,4} [\d:]{8} GMT|\w{3} [ \d]\d [\d:]{8} \d{4})$/;

/** Unix seconds of an HTTP date; undefined if it is not one. */
function secondsOf(date: string | undefined): number | undefined {
  const text = date?.trim() ?? '';
  if (!HTTP_DATE.test(text)) return undefined;
  // The asctime format has no zone; it is always GMT.
  const ms = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(ms) ? undefined : ms / 1000;
}

const preconditionFailed = (): OnetakeError =>
  new OnetakeError(
    'precondition_failed',
    412,
    'It no longer matches If-Match, If-None-Match or If-Unmodified-Since; read it again.',
  );
