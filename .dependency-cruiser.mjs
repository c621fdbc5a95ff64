// Keeps the directions between the folders of the gateway:
// cli → gateway → {config, api} → {engine, webhooks} → {auth, limits, cluster} → {providers, store, media} → {native, net, observability, mcp} → {catalogue, tasks, time, tracking}.
// Without this parser the .ts files would be passed over in silence, and every rule with them.
import swc from '@swc/core/Visitor.js';

// swc parses `using`, but the visitor that it still ships for tools such as this one is older and throws at it.
const { visitStatement } = swc.Visitor.prototype;
swc.Visitor.prototype.visitStatement = function (statement) {
  if (statement.type !== 'UsingDeclaration') return visitStatement.call(this, statement);
  statement.decls = this.visitVariableDeclarators(statement.decls);
  return statement;
};

const SRC = '^packages/gateway/src';

/** Who may import whom; what is not listed is forbidden. `gateway.ts` and `cli/` compose the parts and may import all folders. */
const MAY_IMPORT = {
  config: [
    'auth',
    'catalogue',
    'media',
    'net',
    'observability',
    'providers',
    'settingSchemas',
    'store',
    'tasks',
    'yamlFile',
  ],
  api: [
    'auth',
    'catalogue',
    'cluster',
    'engine',
    'mcp',
    'media',
    'net',
    'observability',
    'providers',
    'store',
    'tasks',
    'time',
    'webhooks',
  ],
  webhooks: ['cluster', 'net', 'observability', 'store', 'tasks', 'time'],
  engine: [
    'cluster',
    'limits',
    'media',
    'native',
    'net',
    'observability',
    'providers',
    'store',
    'tasks',
    'time',
    'tracking',
  ],
  limits: ['cluster', 'observability', 'providers', 'store', 'tasks', 'time'],
  cluster: ['observability', 'store', 'tasks', 'time'],
  auth: ['store', 'catalogue', 'tasks', 'time'],
  providers: ['catalogue', 'native', 'net', 'observability', 'settingSchemas', 'tasks', 'time', 'yamlFile'],
  store: ['observability', 'tasks', 'time'],
  media: ['catalogue', 'native', 'net', 'observability', 'tasks', 'time'],
  native: ['observability'],
  mcp: ['catalogue', 'tasks'],
  net: [],
  observability: ['tasks'],
  catalogue: ['tasks', 'time'],
  settingSchemas: [],
  yamlFile: [],
  tracking: ['time'],
  tasks: [],
  time: [],
};

/** Matches folders of these names, and files such as `gateway.ts`. */
const part = (...names) => `${SRC}/(?:${names.join('|')})(?:/|\\.ts$)`;

const directions = Object.entries(MAY_IMPORT).map(([name, allowed]) => ({
  name: `${name}-imports`,
  comment: `${name}/ may import ${allowed.join(', ') || 'nothing of ours'}.`,
  severity: 'error',
  from: { path: part(name) },
  // A dependency of one package alone is installed below it, and is none of our folders.
  to: { path: '^packages/gateway/', pathNot: [part(name, ...allowed), '/node_modules/'] },
}));

/** Which packages the code of each package may import, tests apart. */
const PACKAGES = {
  'ai-sdk-provider': ['client'],
  client: [],
  gateway: ['client', 'renderer'],
  renderer: ['video'],
  simulators: ['video'],
  video: [],
};

const packages = Object.entries(PACKAGES).map(([name, allowed]) => ({
  name: `${name}-imports-packages`,
  comment: `@onetake/${name} may import ${allowed.join(', ') || 'no package of ours'}.`,
  severity: 'error',
  from: { path: `^packages/${name}/src/` },
  to: {
    path: '^packages/',
    pathNot: [`^packages/(?:${[name, ...allowed].join('|')})/`, '/node_modules/'],
  },
}));

/** The drivers in a folder, and who may import them beside `gateway.ts`, `index.ts`, `cli/`, `config/` and the folder itself: all others import the interface. */
const DRIVERS = {
  store: { folders: ['sqlite', 'postgres'], known: ['cluster/open', 'cluster/postgres'] },
  media: { folders: ['files', 's3'], known: [] },
  cluster: { folders: ['postgres'], known: [] },
};

const drivers = Object.entries(DRIVERS).map(([name, { folders, known }]) => ({
  name: `${name}-drivers`,
  comment: `Import ${name}/${name}.ts, the interface.`,
  severity: 'error',
  from: { path: `${SRC}/`, pathNot: part('gateway', 'index', 'cli', 'config', name, ...known) },
  to: { path: `${SRC}/${name}/(?:${folders.join('|')})/` },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...directions,
    {
      name: 'every-folder-is-listed',
      comment: 'A new folder of the gateway says in MAY_IMPORT what it may import.',
      severity: 'error',
      from: { path: `${SRC}/(?!(?:${['cli', ...Object.keys(MAY_IMPORT)].join('|')})/)[^/]+/` },
      to: { path: '.' },
    },
    ...drivers,
    ...packages,
    {
      name: 'client-runs-everywhere',
      comment:
        'The client has no dependencies and uses web APIs. Only node.ts, an entry of its own, needs Node.',
      severity: 'error',
      from: { path: '^packages/client/src/', pathNot: '/node\\.ts$' },
      to: { pathNot: '^packages/client/src/(?!node\\.ts$)' },
    },
    {
      name: 'renderer-behind-its-adapter',
      comment: 'To the rest of the gateway the renderer is a provider like any other.',
      severity: 'error',
      from: { path: `${SRC}/`, pathNot: `${SRC}/providers/preview/` },
      to: { path: '^packages/renderer/' },
    },
    {
      name: 'native-code-in-children',
      comment:
        'A crash of native code ends its process. Import types only, and run the code in a child: a *.job.ts of the gateway, child.ts of the simulators.',
      severity: 'error',
      from: {
        path: '^packages/(?:gateway|simulators)/src/',
        pathNot: ['\\.job\\.ts$', '^packages/simulators/src/video/(?:child|encode|stills)\\.ts$'],
      },
      to: { path: '^packages/(?:renderer|video)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'only-judge-says-absent',
      comment: 'Adapters only read lists. providers/search/judge.ts alone decides what follows from them.',
      severity: 'error',
      from: { pathNot: [`${SRC}/providers/search/judge\\.ts$`, `${SRC}/providers/provider\\.ts$`] },
      to: { path: `${SRC}/providers/search/absent\\.ts$` },
    },
    {
      name: 'adapters-send-through-the-registry',
      comment:
        'An adapter sends through the client that the registry hands it, which refuses to without the lease. (`fetch` and its like: see biome.json.)',
      severity: 'error',
      from: { path: `${SRC}/providers/[^/]+/`, pathNot: `${SRC}/providers/http/` },
      to: { path: ['^(?:node:)?(?:https?|http2|net|tls|dgram)$', '/undici/', `${SRC}/net/`] },
    },
    {
      name: 'only-the-registry-opens-http',
      comment: 'An adapter gets `openHttp` from the registry, bound to the lease.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: `${SRC}/providers/(?:registry\\.ts$|http/)` },
      to: { path: `${SRC}/providers/http/upstreamHttp\\.ts$`, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-cycles',
      comment: 'Move what both need into a file of its own.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-test-code-in-src',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/' },
      to: { path: ['^packages/[^/]+/test/', '^(?:scripts|bench|chaos|examples)/', '\\.test\\.'] },
    },
    {
      name: 'no-deep-imports',
      comment:
        "Another package's public API is its index.ts, and for what only Node can do node.ts of the client.",
      severity: 'error',
      from: { path: '^packages/([^/]+)/' },
      to: {
        path: '^packages/',
        pathNot: ['^packages/$1/', '^packages/[^/]+/src/index\\.ts$', '^packages/client/src/node\\.ts$'],
      },
    },
    {
      name: 'only-the-door',
      comment:
        'Scripts, bench and chaos use what a package exports through its index.ts. Programs of users have the packed ones.',
      severity: 'error',
      from: { path: '^(?:scripts|bench|chaos|examples)/', pathNot: '^chaos/published/programs/' },
      to: { path: '^packages/', pathNot: ['^packages/[^/]+/src/index\\.ts$', '/node_modules/'] },
    },
    {
      name: 'no-dev-dependencies-in-src',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/' },
      // What scripts at the root use as well is of both types.
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only', 'npm'] },
    },
    {
      name: 'no-hidden-context',
      comment:
        'What work depends on is an argument. A context that travels by itself also reaches the timers, pools and listeners that the work happens to touch, and stays with them.',
      severity: 'error',
      from: {},
      to: { path: '^(?:node:)?async_hooks$' },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    parser: 'swc',
    exclude: { path: '^(?:data|coverage|\\.tmp)/' },
    doNotFollow: { path: 'node_modules' },
    combinedDependencies: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
