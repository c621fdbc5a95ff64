import { describe, expect, it } from 'vitest';
import { type Catalogue, createCatalogue } from '../../src/catalogue/catalogue.ts';
import { BUILT_IN } from '../../src/catalogue/entries/index.ts';
import { isFree } from '../../src/catalogue/pricing.ts';
import { servicesOf } from '../../src/catalogue/providerInfo.ts';
import { isOffered, type ModelServer } from '../../src/catalogue/serving.ts';
import { builtIn } from './builtIn.ts';

const at = (time: string) => ({ now: () => Date.parse(time) });
const NOVEMBER = '2026-11-29T12:00:00Z';

const account = (providerId: string, service?: string, more: Partial<ModelServer> = {}): ModelServer => ({
  providerId,
  official: true,
  ...(service === undefined ? {} : { service }),
  ...more,
});
const GEMINI = account('google', 'gemini');
const VERTEX = account('google', 'vertex');

const withAccounts = (servers: readonly ModelServer[], time = NOVEMBER): Catalogue =>
  createCatalogue({ servers, clock: at(time) });

/** Whether an installation with these accounts offers the model. */
const offers = (id: string, servers: readonly ModelServer[], time = NOVEMBER) =>
  withAccounts(servers, time).available(id);

/** What a caller is told who wants a model that these accounts do not serve. */
function refusal(id: string, servers: readonly ModelServer[], time = NOVEMBER): unknown {
  const catalogue = withAccounts(servers, time);
  const model = catalogue.get(id);
  if (!model) throw new Error(`no model ${id}`);
  try {
    catalogue.requireAvailable(model);
  } catch (error) {
    return error;
  }
  throw new Error(`${id} is available`);
}

describe('an account serves only the models that its service has', () => {
  it.each<[string, ModelServer, string, boolean]>([
    ['veo-3.1-generate-001', GEMINI, '2026-10-21T23:59:59.999Z', true],
    ['veo-3.1-generate-001', GEMINI, '2026-10-22T00:00:00Z', false],
    ['veo-3.0-generate-preview', GEMINI, NOVEMBER, false],
    ['veo-3.1-generate-001', VERTEX, NOVEMBER, true],
    ['gemini-omni-1.2-flash', GEMINI, NOVEMBER, true],
    ['gemini-omni-1.2-flash', VERTEX, NOVEMBER, false],
    ['veo-3.0-generate-preview', VERTEX, NOVEMBER, true],
    ['sora-2', account('openai', 'openai'), '2026-09-23T23:59:59Z', true],
    ['sora-2', account('openai', 'openai'), '2026-09-24T00:00:00Z', false],
    ['sora-2', account('openai', 'azure'), '2026-09-14T12:00:00Z', true],
    ['sora-2', account('openai', 'azure'), '2026-09-15T00:00:00Z', false],
    ['seedance-2.0', account('ark', 'byteplus'), NOVEMBER, true],
    ['dashscope-vidu-q3-pro', account('dashscope', 'beijing'), NOVEMBER, true],
    ['dashscope-vidu-q3-pro', account('dashscope', 'singapore'), NOVEMBER, false],
    ['dashscope-vidu-q3-ad-r2v', account('dashscope', 'singapore'), NOVEMBER, true],
    ['dashscope-vidu-q3-ad-r2v', account('dashscope', 'virginia'), NOVEMBER, false],
  ])('%s, at %o, on %s: %s', (id, server, time, served) => {
    expect(offers(id, [server], time)).toBe(served);
  });

  it('and stops to offer one on the day without a restart', () => {
    let time = '2026-10-21T12:00:00Z';
    const catalogue = createCatalogue({ servers: [GEMINI], clock: { now: () => Date.parse(time) } });
    expect(catalogue.available('veo-3.1-generate-001')).toBe(true);
    time = '2026-10-22T00:00:00Z';
    expect(catalogue.available('veo-3.1-generate-001')).toBe(false);
  });

  it('but somebody else’s server that speaks the protocol may have any of them', () => {
    expect(offers('sora-2', [account('openai', 'compatible', { official: false })])).toBe(true);
    expect(offers('veo-3.1-generate-001', [{ ...GEMINI, official: false }])).toBe(true);
  });

  it('but not those that the protocol of the account cannot make', () => {
    const proxy = { ...VERTEX, official: false, protocols: [] };
    expect(offers('veo-3.1-generate-001', [proxy])).toBe(true);
    expect(offers('gemini-omni-1.2-flash', [proxy])).toBe(false);
    expect(refusal('gemini-omni-1.2-flash', [proxy])).toBeInstanceOf(Error);
  });

  it('but one that an account names is believed to be there', () => {
    const models = new Map([['sora-2', 'my-deployment']]);
    expect(offers('sora-2', [account('openai', 'openai', { models })])).toBe(true);
  });

  it('if a service is not known, those that any service of the provider has', () => {
    expect(offers('wan2.7-t2v', [account('dashscope')])).toBe(true);
    expect(offers('sora-2', [account('openai')])).toBe(false);
  });
});

describe('a model that no account serves', () => {
  it('is a 503 with the settings of the services that have it', () => {
    expect(refusal('veo-3.1-generate-001', [])).toMatchObject({
      code: 'model_unavailable',
      status: 503,
      details: { param: 'model' },
      message:
        'veo-3.1-generate-001 has no account here; the operator must set GOOGLE_GENAI_USE_VERTEXAI with GOOGLE_CLOUD_PROJECT to use Google.',
    });
    expect(refusal('wan2.7-t2v', [])).toMatchObject({
      message: expect.stringMatching(/set DASHSCOPE_API_KEY to/),
    });
  });

  it('is a 410 with date, reason, successors and remedy if the service of the account no longer has it', () => {
    expect(refusal('veo-3.1-generate-001', [GEMINI])).toMatchObject({
      code: 'model_retired',
      status: 410,
      details: { param: 'model' },
      message:
        'veo-3.1-generate-001 is no longer served by Gemini API since 2026-10-22: Google shut down Veo on the Gemini API and serves it on Vertex AI alone. Use gemini-omni-1.2-flash or gemini-omni-1.1-flash instead, or ask the operator to set GOOGLE_GENAI_USE_VERTEXAI with GOOGLE_CLOUD_PROJECT (docs/providers.md).',
    });
  });

  it('is a 410 without any account if no service has it any more', () => {
    expect(refusal('sora-2', [])).toMatchObject({
      status: 410,
      message:
        'sora-2 is no longer served by OpenAI since 2026-09-24 and Azure OpenAI since 2026-09-15: OpenAI shut down its Videos API; other servers still speak the protocol. Microsoft retired Sora 2. Use wan3.0-video, seedance-2.0 or veo-3.1-generate-001 instead, or ask the operator to configure a server that still has it, under accounts in onetake.yaml (docs/providers.md).',
    });
  });

  it('is a 503 before its end', () => {
    expect(refusal('sora-2', [], '2026-09-14T00:00:00Z')).toMatchObject({ status: 503 });
  });
});

describe('advice to use another model', () => {
  it('names only models that some service still has', () => {
    const ids = withAccounts([])
      .offered()
      .map(({ id }) => id);
    expect(ids).toContain('veo-3.1-generate-001');
    expect(ids).not.toContain('sora-2');
  });
});

describe.each(BUILT_IN.map((entry) => [entry.id, entry] as const))('%s', (_id, { provider, services }) => {
  const entries = Object.entries(services);

  it('names services of its provider, each with its source', () => {
    for (const [name, { source }] of entries) {
      expect(Object.keys(servicesOf(provider))).toContain(name);
      expect(Date.parse(source.checked)).toBeLessThanOrEqual(Date.now());
    }
    expect(entries.length > 0).toBe(provider !== 'preview');
  });
});

/** Also those of the files that come with the gateway. */
it.each(builtIn.list().map((model) => [model.id, model] as const))(
  '%s has successors that work, once a service no longer has it',
  (_id, { services }) => {
    for (const { end } of Object.values(services)) {
      if (end === undefined || Date.parse(end.date) > Date.now()) continue;
      const offered = end.successors.map((id) => [id, builtIn.get(id)] as const);
      for (const [id, model] of offered)
        expect([id, model && isOffered(model, Date.now())]).toEqual([id, true]);
      expect(offered.length).toBeGreaterThan(0);
    }
  },
);

it.each(builtIn.list().map((model) => [model.id, model] as const))(
  '%s has prices with a source and the day on which they were compared with it, or says that there is none',
  (_id, model) => {
    const { sources } = model.price;
    for (const { checked } of sources) expect(Date.parse(checked)).toBeLessThanOrEqual(Date.now());
    const unconfirmed = model.notes.some((note) => note.includes('price is not confirmed'));
    expect(sources.length > 0 || unconfirmed || isFree(model)).toBe(true);
  },
);
