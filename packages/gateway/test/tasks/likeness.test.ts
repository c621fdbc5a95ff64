import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchPrompt, promptKey } from '../../src/tasks/likeness.ts';
import { aPromptText, harmless, perturbations } from '../support/perturbed.ts';

describe('a prompt from an upstream list', () => {
  it.each([
    ['line ends of a form', 'a boat\nat night', 'a boat\r\nat night'],
    ['old Mac line ends', 'a boat\nat night', 'a boat\rat night'],
    ['trimmed', '  a boat\n', 'a boat'],
    ['runs of spaces collapsed', 'a  boat \t sails', 'a boat sails'],
    ['composed characters', 'caf\u0065\u0301', 'caf\u00e9'],
  ])('is the same with %s', (_what, ours, listed) => {
    expect(matchPrompt(ours, listed)).toBe('same');
    expect(promptKey(ours)).toBe(promptKey(listed));
  });

  it.each([
    ['cut', 'a paper boat at night', 'a paper bo'],
    ['cut with an ellipsis', 'a paper boat at night', 'a paper bo…'],
    ['cut with three dots', 'a paper boat at night', 'a paper bo...'],
    ['cut within an escape', 'fish & chips', 'fish &am'],
    ['cut within an escape for JSON', 'får', 'f\\u00'],
    ['cut within an escape for JSON, made twice', 'får', 'f\\\\u00'],
    ['without its spaces', 'a boat', 'aboat'],
    ['escaped for HTML', 'fish & "chips"', 'fish &amp; &quot;chips&quot;'],
    ['escaped twice', 'fish & chips', 'fish &amp;amp; chips'],
    ['escaped by number', 'l’été 中', 'l&#8217;&#xe9;t&#233; &#20013;'],
    ['escaped as JSON', 'a "boat"\nfår', 'a \\"boat\\"\\nf\\u00e5r'],
    ['in compatibility form', '①  ﬁne x²', '1 fine x2'],
    ['without emoji', 'a boat 🚤 at sea', 'a boat  at sea'],
    ['with symbols replaced', 'a “boat” – sea', 'a ?boat? ? sea'],
    ['with words around it', 'a paper boat', 'Video: a paper boat. High quality.'],
    ['empty', 'a boat', ''],
  ])('is near when %s', (_what, ours, listed) => {
    expect(matchPrompt(ours, listed)).toBe('near');
  });

  it.each([
    ['a paper boat', 'a paper plane'],
    ['a boat in the morning', 'a boat in the evening'],
    ['一只纸船', '一架纸飞机'],
    ['a boat', 'a "plane'],
  ])('is different if words differ: %s, %s', (ours, listed) => {
    expect(matchPrompt(ours, listed)).toBe('different');
  });

  it.each([
    ['f\\u00e5r', 'får'],
    ['f\\\\u00e5r', 'får'],
    ['a\\nb', 'a\nb'],
    ['l&#8217;&#xe9;t&#233;', 'l’été'],
    ['a&amp;amp;lt;b', 'a<b'],
    ['a&#x110000;b', 'ab'],
    ['ＡＢ ① 🚤', 'AB 1'],
  ])('in the form %s has the same key as the decoded text', (listed, ours) => {
    expect(promptKey(listed)).toBe(promptKey(ours));
  });

  it('is never different after the changes that upstreams make', () => {
    fc.assert(
      fc.property(aPromptText, perturbations, (prompt, change) => {
        expect(matchPrompt(prompt, change.apply(prompt))).not.toBe('different');
      }),
      { numRuns: 2000 },
    );
  });

  it('is the same after the changes that a form makes, and then has the same key', () => {
    fc.assert(
      fc.property(aPromptText, harmless, (prompt, change) => {
        const listed = change.apply(prompt);
        expect(matchPrompt(prompt, listed)).toBe('same');
        expect(promptKey(listed)).toBe(promptKey(prompt));
      }),
      { numRuns: 1000 },
    );
  });

  it('is compared without delay even if it was made to be slow', () => {
    const nasty = ['\\', '&amp;', '&', 'amp;', '&#38;', ' '].map((part) => part.repeat(32_000 / part.length));
    const start = performance.now();
    for (const ours of nasty) for (const listed of nasty) matchPrompt(ours, listed);
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});
