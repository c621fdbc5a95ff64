import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SPELLINGS } from '../../src/catalogue/fields.ts';
import type { Model, ParameterSpec } from '../../src/catalogue/model.ts';
import { kindOf } from '../../src/catalogue/references.ts';
import { sizeText } from '../../src/catalogue/sizes.ts';
import { checkRequest } from '../../src/catalogue/validate/request.ts';
import { OnetakeError } from '../../src/tasks/errors.ts';
import { asStored, builtIn } from './builtIn.ts';

const NAMES = Object.values(SPELLINGS).flat();
const MODELS = builtIn.list();
const PNG = 'https://example.com/a.png';

/** Any JSON, often of the kind that a field accepts. */
const value = fc.oneof(
  fc.jsonValue(),
  fc.integer({ min: -2, max: 40 }),
  fc.constantFrom(
    ...['480p', '720p', '1080P', '4k', '16:9', '9:16', '1:1', '21:9', '1280x720', '720*1280', '960x960'],
    ...['8', '5.0', '', PNG, 'data:image/png;base64,AAAA', 'file:///x', 'allow_all'],
  ),
  fc.boolean(),
  fc.constantFrom([PNG], [PNG, PNG], { preview: {} }, { a: 'b' }, null),
);

const anyBody = fc
  .tuple(
    fc.constantFrom(...MODELS.map(({ id }) => id), 'sora', undefined, 7),
    fc.oneof(fc.string({ unit: 'binary' }), fc.constant('a paper boat')),
    fc.array(fc.tuple(fc.oneof(fc.constantFrom(...NAMES), fc.string()), value), { maxLength: 5 }),
  )
  .map(([model, prompt, members]) => ({ model, prompt, ...Object.fromEntries(members) }));

it('any submitted JSON is accepted or refused as the caller’s error', () => {
  let accepted = 0;
  fc.assert(
    fc.property(fc.oneof(anyBody, fc.jsonValue()), (body) => {
      try {
        checkRequest(body, builtIn);
        accepted += 1;
      } catch (error) {
        if (!(error instanceof OnetakeError)) throw error;
        expect(error.status).toBe(400);
        expect(error.message.isWellFormed()).toBe(true);
        expect(error.message.length).toBeLessThan(1500);
      }
    }),
    { numRuns: 3000 },
  );
  expect(accepted).toBeGreaterThan(0);
});

/** A value that a parameter accepts. */
function acceptedBy(spec: ParameterSpec): fc.Arbitrary<unknown> {
  switch (spec.kind) {
    case 'choice':
    case 'numbers':
    case 'flag':
      return fc.constantFrom<unknown>(...spec.allowed);
    case 'range':
      return fc.integer({ min: spec.min, max: spec.max });
    case 'text':
      return fc.string({ unit: 'grapheme', maxLength: spec.maxLength });
    case 'references':
      return fc.array(
        fc.constantFrom(...spec.takes.map(({ type, role }) => ({ type, role: role ?? null, url: PNG }))),
        {
          minLength: 1,
          maxLength: 4,
        },
      );
    case 'image':
    case 'url':
      return fc.constant(PNG);
  }
}

/** Bodies with parameters of a model; its rules may still forbid some. */
const bodyFor = (model: Model): fc.Arbitrary<Record<string, unknown>> => {
  const members = Object.entries(model.parameters).flatMap(([parameter, spec]) =>
    spec ? [[parameter, SOURCES.has(spec.kind) ? rarely(acceptedBy(spec)) : acceptedBy(spec)] as const] : [],
  );
  const prompt = fc
    .tuple(fc.string({ unit: 'grapheme', minLength: 1 }), fc.constantFrom(0, model.promptMaxLength))
    .map(([text, length]) => `x${text}`.padEnd(length, 'x'));
  return fc
    .tuple(prompt, fc.record(Object.fromEntries(members), { requiredKeys: [] }))
    .map(([text, parameters]) => ({ model: model.id, prompt: text, ...given(parameters) }));
};

/** The sources of a video. A model's rules allow few combinations, so most bodies have few of them. */
const SOURCES: ReadonlySet<ParameterSpec['kind']> = new Set(['image', 'references', 'url']);
const rarely = (arbitrary: fc.Arbitrary<unknown>) =>
  fc.oneof(fc.constant(undefined), fc.constant(undefined), arbitrary);
const given = (members: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(members).filter(([, member]) => member !== undefined));

/** The values that the upstream accepts for a parameter: the allowed ones, without those that are rounded. */
function takesUpstream(spec: ParameterSpec | undefined, sent: unknown): boolean {
  if (spec === undefined) return sent === undefined;
  if (sent === undefined) return !('default' in spec) || spec.kind === 'range';
  switch (spec.kind) {
    case 'choice':
    case 'numbers':
    case 'flag': {
      const allowed: readonly unknown[] = spec.allowed;
      const rounded = 'roundsTo' in spec ? Object.keys(spec.roundsTo ?? {}) : [];
      return allowed.includes(sent) && !rounded.includes(String(sent));
    }
    case 'range':
      return Number.isInteger(sent) && Number(sent) >= spec.min && Number(sent) <= spec.max;
    case 'text':
      return typeof sent === 'string' && !('appendToPrompt' in spec) && [...sent].length <= spec.maxLength;
    case 'references':
      return Array.isArray(sent) && sent.length >= 1 && sent.every((one) => kindOf(spec, one) !== undefined);
    case 'image':
      return typeof sent === 'object';
    case 'url':
      return typeof sent === 'string';
  }
}

it.each(MODELS.map((model) => [model.id, model] as const))(
  'the upstream request of an accepted submission to %s has only what the upstream accepts, and is paid for',
  (_id, model) => {
    let accepted = 0;
    fc.assert(
      fc.property(bodyFor(model), (body) => {
        const { duration: _spec, ...names } = body;
        const wire = Object.fromEntries(
          Object.entries(body).map(([name, given]) => [SPELLINGS[name as keyof typeof SPELLINGS][0], given]),
        );
        expect(Object.keys(wire)).toHaveLength(Object.keys(names).length + ('duration' in body ? 1 : 0));
        let checked: ReturnType<typeof checkRequest>;
        try {
          checked = checkRequest(wire, builtIn);
        } catch (error) {
          // A rule of the model, or a prompt too long for an appended style.
          if (error instanceof OnetakeError && error.status === 400) return;
          throw error;
        }
        accepted += 1;
        const sent = builtIn.upstreamRequest(asStored(checked.draft));
        if (!sent) throw new Error('a model that was checked is there');
        for (const [parameter, spec] of Object.entries(model.parameters)) {
          const value: unknown = Reflect.get(sent, parameter);
          expect([parameter, value, takesUpstream(spec, value)]).toEqual([parameter, value, true]);
        }
        expect([...sent.prompt].length).toBeLessThanOrEqual(model.promptMaxLength);
        expect(sizeText(sent)).toMatch(/^\d+[02468]x\d+[02468]$/);
        const { microsPerSecond, microsPerVideo = 0, holdMicros } = checked.price;
        const seconds = Math.max(checked.draft.duration, sent.duration);
        expect(holdMicros).toBe(microsPerVideo + microsPerSecond * seconds);
        // Submitting the upstream request changes nothing more.
        expect(builtIn.upstreamRequest(sent)).toEqual(sent);
      }),
      { numRuns: 100 },
    );
    expect(accepted).toBeGreaterThan(0);
  },
);
