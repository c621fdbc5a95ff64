import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { checkMeasuredReferences } from '../../../src/catalogue/measuredReferences.ts';
import type { Model } from '../../../src/catalogue/model.ts';
import { type KindOf, kindOf, kindText } from '../../../src/catalogue/references.ts';
import { upstreamModelOf, upstreamRequest } from '../../../src/catalogue/upstream.ts';
import { type Job, UpstreamError } from '../../../src/providers/provider.ts';
import { OnetakeError } from '../../../src/tasks/errors.ts';
import {
  REFERENCE_TYPES,
  type Reference,
  type StoredInput,
  type VideoRequest,
} from '../../../src/tasks/request.ts';
import { asStored, builtIn, check } from '../../catalogue/builtIn.ts';
import { sending } from '../../support/sending.ts';
import {
  bodiesDuring,
  jobOf,
  type ProviderFixture,
  required,
  type Suite,
  settled,
  signal,
} from './fixture.ts';

/** Those that models have, and one that no adapter knows. */
const ROLES = [undefined, 'source', 'first_clip', 'driving_audio', 'a_role_of_tomorrow'];
const KINDS: readonly KindOf[] = REFERENCE_TYPES.flatMap((type) => ROLES.map((role) => ({ type, role })));

/** How a caller may have given an input: by a public link; as bytes, or as a video of the gateway, which has a public URL or none. */
const FORMS = ['url', 'link of the gateway', 'bytes'] as const;
type Form = (typeof FORMS)[number];

/**
 * Tests that each reference reaches the upstream in its order and with its role, or that the request is refused before anything is paid, also for
 * requests that no entry of the catalogue allows but an operator's might.
 */
export function describeReferences({ name, open, models }: Suite): void {
  const takers = required(models, 'models').filter(({ model }) => model.parameters.references);

  describe(`${name}: references`, () => {
    it('are sent with their role or refused, and never dropped, whatever their kind', async () => {
      const fixture = await open();
      const job = jobOf(fixture);
      for (const kind of KINDS)
        await expectSentOrRefused(fixture, withReferences(job, [kind], 'url'), kindText(kind));
    });

    it.each(takers.map(({ model, service }) => [model.id, model, service] as const))(
      'of %s are sent in their order, each with its role',
      async (_id, model, service) => {
        const fixture = await open();
        const mixes = mixesOf(model);
        const spec = required(model.parameters.references, 'references');
        const tried = mixes.flatMap(({ references = [] }) => references.map((one) => kindOf(spec, one)));
        expect(new Set(tried)).toEqual(new Set(spec.takes));
        for (const mix of mixes) {
          const upstreamModel = upstreamModelOf(model, mix, service);
          const request = { ...upstreamRequest(model, mix), prompt: promptOf(mix) };
          const job = { ...jobOf(fixture), upstreamModel, request };
          for (const form of FORMS) {
            const given = withReferences(job, mix.references ?? [], form);
            const refusal = await expectSentOrRefused(fixture, given, form);
            // Only an upstream that fetches everything itself cannot be given what no link leads to.
            if (form !== 'bytes') expect(refusal?.detail, form).toBeUndefined();
          }
        }
      },
    );
  });
}

/** Some models want to be asked for what a role stands for. */
function promptOf({ references = [] }: VideoRequest): string {
  if (references.some(({ role }) => role === 'first_clip')) return 'Extend the voyage of the paper boat.';
  return 'Replace the paper boat by a swan.';
}

/** The refusal, if they were not sent. It is the caller's to understand, and nothing was made. */
async function expectSentOrRefused(
  fixture: ProviderFixture,
  job: Job,
  what: string,
): Promise<UpstreamError | undefined> {
  const { references = [] } = job.request;
  const sent = await bodiesOf(fixture, job);
  if (typeof sent !== 'string') return sent;
  for (const type of REFERENCE_TYPES) {
    const places = references.filter((one) => one.type === type).map(({ input }) => placeOf(input, sent));
    expect(places, `${what}: ${type}s are there`).not.toContain(-1);
    expect(places, `${what}: ${type}s are in their order`).toEqual([...places].sort((a, b) => a - b));
  }
  for (const role of new Set(references.map((one) => one.role))) {
    if (role === undefined) continue;
    const without = references.map(({ role: own, ...rest }) =>
      own === role || own === undefined ? rest : { ...rest, role: own },
    );
    const request = { ...job.request, references: without as readonly Reference[] };
    expect(await bodiesOf(fixture, { ...job, request }), `${what}: the role ${role} is told`).not.toBe(sent);
  }
  return undefined;
}

/** What was sent of a submission that was accepted; the error if it was refused before anything was made. */
async function bodiesOf(fixture: ProviderFixture, job: Job): Promise<string | UpstreamError> {
  const made = await fixture.jobsMade();
  let outcome: unknown;
  const bodies = await bodiesDuring(async () => {
    outcome = await settled(fixture.provider.submit(job, sending(signal())));
  });
  if (!(outcome instanceof Error)) return bodies.join('\n');
  if (!(outcome instanceof UpstreamError)) throw outcome;
  expect(outcome).toMatchObject({ reason: 'invalid_request', created: 'no' });
  expect(await fixture.jobsMade()).toBe(made);
  return outcome;
}

/** Where an input is in what was sent, in any form; -1 if it is not. */
function placeOf(input: StoredInput, sent: string): number {
  const forms = [
    input.sourceUrl,
    linkOf(input),
    contentOf(input).toString('base64'),
    String(contentOf(input)),
  ];
  return Math.max(...forms.map((form) => (form === undefined ? -1 : sent.indexOf(form))));
}

const contentOf = ({ mediaId }: StoredInput): Buffer => Buffer.from(`the content of ${mediaId}`);
const linkOf = ({ mediaId }: StoredInput): string => `https://gateway.example/${mediaId}`;

function withReferences(job: Job, kinds: readonly KindOf[], form: Form): Job {
  const { linkTo: _, ...rest } = job;
  const given = kinds.map((kind, n) => referenceOf(kind, n));
  return {
    ...rest,
    request: {
      ...job.request,
      references: form === 'url' ? given : given.map(withoutUrl),
    },
    openInput: async (input) => Readable.from([contentOf(input)]),
    ...(form === 'link of the gateway' && { linkTo: linkOf }),
  };
}

function withoutUrl(reference: Reference): Reference {
  const { sourceUrl: _, ...input } = reference.input;
  return { ...reference, input } as Reference;
}

const CONTENT_TYPES = { image: 'image/png', video: 'video/mp4', audio: 'audio/mpeg' };

/** A reference that is told from the others by its number. */
function referenceOf({ type, role }: KindOf, n: number): Reference {
  const mediaId = `reference-${n}`;
  const bytes = contentOf({ mediaId } as StoredInput).length;
  const input = {
    mediaId,
    bytes,
    contentType: CONTENT_TYPES[type],
    sourceUrl: `https://example.com/${mediaId}`,
  };
  const picture = type === 'audio' ? {} : { width: 1280, height: 720 };
  const clip = type === 'image' ? {} : { duration: 5, fps: 24 };
  return {
    type,
    ...(role === undefined ? {} : { role }),
    input: { ...input, ...picture, ...clip },
  } as Reference;
}

/** Requests that together have every kind of reference of a model, as many as it takes at a time, as tasks store them. */
function mixesOf(model: Model): VideoRequest[] {
  const spec = required(model.parameters.references, 'references');
  const each = spec.takes.map((kind) => Array.from({ length: Math.min(kind.max, 2) }, () => kind));
  const beside = each.map((kinds) => {
    const other = spec.takes.find(({ type }) => kinds[0]?.with?.includes(type));
    return other ? [other, ...kinds] : kinds;
  });
  return [each.flat(), ...beside].flatMap((kinds) => storedOf(model, kinds.slice(0, spec.max)) ?? []);
}

/** With a first frame if the model wants one beside them. */
function storedOf({ id }: Model, kinds: readonly KindOf[]): VideoRequest | undefined {
  const references = kinds.map(({ type, role = null }) => ({ type, role, url: 'https://example.com/x' }));
  for (const frame of [{}, { image: 'https://example.com/first' }]) {
    try {
      const checked = check({ model: id, references, ...frame });
      const stored = { ...asStored(checked.draft), references: kinds.map(referenceOf) };
      return checkMeasuredReferences(checked, stored, builtIn, true).request;
    } catch (error) {
      // The catalogue refuses kinds that exclude each other.
      if (!(error instanceof OnetakeError)) throw error;
    }
  }
  return undefined;
}
