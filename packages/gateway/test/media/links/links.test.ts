import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLinks, type LinksOptions } from '../../../src/media/links/links.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 10, 24, 12);
const NEVER = START + 1000 * HOUR;

function world(options: Partial<LinksOptions> = {}) {
  const clock = { time: START, now: () => clock.time };
  const links = createLinks({
    baseUrl: () => 'https://media.example',
    secrets: ['secret'],
    ttlMs: HOUR,
    clock,
    ...options,
  });
  return { clock, links };
}

/** What a server receives of a link. */
function opened(link: string) {
  const { origin, pathname, searchParams } = new URL(link);
  const [id = '', extension = ''] = pathname.slice('/media/'.length).split('.');
  const query = Object.fromEntries(searchParams) as { expires: string; signature: string };
  return { origin, id, extension, query };
}

describe('a signed link', () => {
  it('leads to the media domain and is accepted', () => {
    const { links } = world();
    const link = links.url('abc', 'mp4', NEVER);
    expect(link).toMatch(/^https:\/\/media\.example\/media\/abc\.mp4\?expires=\d{10}&signature=[\w-]{43}$/);
    const { id, extension, query } = opened(link);
    expect(links.verify(id, extension, query)).toBe('ok');
  });

  it('stays the same for a whole window, so that responses with it match their ETag', () => {
    const { clock, links } = world();
    const link = links.url('abc', 'mp4', NEVER);
    clock.time = START + HOUR - 1;
    expect(links.url('abc', 'mp4', NEVER)).toBe(link);
    clock.time = START + HOUR;
    expect(links.url('abc', 'mp4', NEVER)).not.toBe(link);
  });

  it('is valid for at least one time to live, at most two, and never longer than the media is kept', () => {
    fc.assert(
      fc.property(fc.nat(10 * HOUR), fc.nat(10 * HOUR), (later, kept) => {
        const { clock, links } = world();
        clock.time = START + later;
        const { id, extension, query } = opened(links.url('abc', 'mp4', clock.time + kept));
        const valid = Number(query.expires) * 1000 - clock.time;
        expect(valid).toBeLessThanOrEqual(Math.min(2 * HOUR, kept));
        // Expiry is in whole seconds.
        expect(valid).toBeGreaterThan(Math.min(HOUR, kept) - 1000);
        clock.time = Number(query.expires) * 1000;
        expect(links.verify(id, extension, query)).toBe('expired');
        clock.time -= 1;
        expect(links.verify(id, extension, query)).toBe('ok');
      }),
    );
  });

  it.each<[string, (link: ReturnType<typeof opened>) => Partial<ReturnType<typeof opened>>]>([
    ['for another video', () => ({ id: 'abd' })],
    ['for another file type', () => ({ extension: 'jpg' })],
    [
      'with a later expiry',
      ({ query }) => ({ query: { ...query, expires: String(Number(query.expires) + 1) } }),
    ],
    [
      'with its expiry spelled otherwise',
      ({ query }) => ({ query: { ...query, expires: `0${query.expires}` } }),
    ],
    ['with no expiry', ({ query }) => ({ query: { ...query, expires: '' } })],
    ['with no signature', ({ query }) => ({ query: { ...query, signature: '' } })],
    [
      'with part of its signature',
      ({ query }) => ({ query: { ...query, signature: query.signature.slice(0, -1) } }),
    ],
    [
      'with more than its signature',
      ({ query }) => ({ query: { ...query, signature: `${query.signature}=` } }),
    ],
    [
      'with characters beyond ASCII',
      ({ query }) => ({ query: { ...query, signature: 'é'.repeat(query.signature.length) } }),
    ],
  ])('is invalid %s', (_what, forged) => {
    const { links } = world();
    const link = opened(links.url('abc', 'mp4', NEVER));
    const { id, extension, query } = { ...link, ...forged(link) };
    expect(links.verify(id, extension, query)).toBe('invalid');
  });

  it('is invalid without a query', () => {
    expect(world().links.verify('abc', 'mp4', {})).toBe('invalid');
  });

  it('reveals nothing: a forged link that has expired is invalid, not expired', () => {
    const { links } = world();
    expect(links.verify('abc', 'mp4', { expires: '1', signature: 'x'.repeat(43) })).toBe('invalid');
  });

  it('stays valid after a change of the secret while the old one is still listed', () => {
    const before = world({ secrets: ['old'] }).links;
    const during = world({ secrets: ['new', 'old'] }).links;
    const after = world({ secrets: ['new'] }).links;
    const verdict = (links: typeof before, link: string) => {
      const { id, extension, query } = opened(link);
      return links.verify(id, extension, query);
    };
    const oldLink = before.url('abc', 'mp4', NEVER);
    const newLink = during.url('abc', 'mp4', NEVER);
    expect([during, after].map((links) => verdict(links, oldLink))).toEqual(['ok', 'invalid']);
    expect([before, during, after].map((links) => verdict(links, newLink))).toEqual(['invalid', 'ok', 'ok']);
  });

  it('follows the base URL, which is known only once the gateway listens', () => {
    let base = '';
    const { links } = world({ baseUrl: () => base });
    base = 'http://127.0.0.1:8787';
    expect(opened(links.url('abc', 'mp4', NEVER)).origin).toBe(base);
  });
});
