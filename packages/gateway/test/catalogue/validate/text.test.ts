import { describe, expect, it } from 'vitest';
import { check, refused } from '../builtIn.ts';

const body = (more: Record<string, unknown>) => ({
  model: 'onetake-preview',
  prompt: 'a paper boat',
  ...more,
});

describe('metadata', () => {
  const pairs = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']));

  it('is returned unchanged: 16 pairs of 64 and 512 characters', () => {
    const metadata = { ...pairs(15), ['k'.repeat(64)]: 'v'.repeat(512) };
    expect(check({ metadata }).draft.metadata).toEqual(metadata);
  });

  it('may have a key with a meaning in JavaScript', () => {
    const metadata = JSON.parse('{"__proto__": "x", "constructor": "y"}');
    expect(Object.entries(check({ metadata }).draft.metadata ?? {})).toEqual(Object.entries(metadata));
  });

  it.each<[unknown, RegExp]>([
    [pairs(17), /at most 16 text pairs/],
    ['text', /must be an object/],
    [[['a', 'b']], /must be an object/],
    [{ '': 'v' }, /The key "" .*1 to 64 characters/],
    [{ ['k'.repeat(65)]: 'v' }, /1 to 64 characters/],
    [{ k: 'v'.repeat(513) }, /The value of "k" .*at most 512 characters/],
    [{ k: 7 }, /The value of "k" .*must be text/],
    [{ k: null }, /must be text/],
    [{ k: { a: 'b' } }, /must be text/],
    [{ k: 'a\0' }, /must be text/],
  ])('%j is refused', (metadata, message) => {
    const error = refused(body({ metadata }));
    expect(error.message).toMatch(message);
    expect(error.details.param).toBe('metadata');
  });
});

describe('provider_options', () => {
  const deep = (levels: number): unknown => (levels === 0 ? 1 : { a: deep(levels - 1) });

  it('are those of the model’s provider, without its name', () => {
    const options = { template: 'x', nested: { list: [1, null] } };
    expect(check({ provider_options: { preview: options } }).draft.providerOptions).toEqual(options);
  });

  it.each<[unknown, RegExp]>([
    [{ openai: {} }, /must look like \{"preview": \{…\}\}: this model is served by preview/],
    [{ preview: {}, openai: {} }, /options of other providers would be ignored/],
    [{ preview: [] }, /must look like/],
    [{}, /must look like/],
    ['x', /must look like/],
    [{ preview: { a: 'x'.repeat(17_000) } }, /at most 16 kB of JSON/],
    [{ preview: deep(17) }, /16 levels deep/],
    [{ preview: deep(2000) }, /16 levels deep/],
  ])('%# are refused', (options, message) => {
    const error = refused(body({ provider_options: options }));
    expect(error.message).toMatch(message);
    expect(error.details.param).toBe('provider_options');
  });

  it('may be 16 levels deep', () => {
    expect(() => check({ provider_options: { preview: deep(16) } })).not.toThrow();
  });
});

describe('addresses', () => {
  it('of webhooks are kept separate from the request', () => {
    const { webhookUrl, draft } = check({ webhook_url: 'https://example.com/hook?a=b' });
    expect(webhookUrl).toBe('https://example.com/hook?a=b');
    expect(draft).toEqual(check({}).draft);
  });

  it.each<unknown>([
    'example.com/hook',
    '/hook',
    'ftp://example.com',
    'javascript:alert(1)',
    'https:example.com',
    'https://',
    ' https://example.com',
    'https://example.com/a b',
    'https://exam\nple.com',
    `https://example.com/${'x'.repeat(2048)}`,
    7,
    ['https://example.com'],
    '',
  ])('%j is refused as an address', (address) => {
    const error = refused(body({ webhook_url: address }));
    expect(error.message).toMatch(/must be an absolute http or https URL of at most 2048 characters/);
    expect(error.message.length).toBeLessThan(250);
  });

  it.each<unknown>([
    'example.com/video.mp4',
    'ftp://example.com',
    'javascript:alert(1)',
    'https://',
    `https://example.com/${'x'.repeat(2048)}`,
    7,
    ['https://example.com'],
    '',
  ])('%j is refused as a video of the gateway', (address) => {
    const error = refused(body({ model: 'sora-2', video_url: address }));
    expect(error.message).toMatch(/must be the id of a finished task, or its video's link/);
    expect(error.message.length).toBeLessThan(250);
  });
});
