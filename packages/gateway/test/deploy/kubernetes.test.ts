import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { IDLE_GRACE_MS } from '../../src/api/shutdown.ts';
import { SETTINGS } from '../../src/config/settings.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { envFile, filesBelow, read, seconds, yaml } from './files.ts';

const FOLDER = 'deploy/kubernetes';

const labels = z.record(z.string(), z.string());
const probe = z.object({
  httpGet: z.object({ path: z.string(), port: z.literal('http') }),
  timeoutSeconds: z.number(),
});
const source = z.union([
  z.object({ configMapRef: z.object({ name: z.string() }) }),
  z.object({ secretRef: z.object({ name: z.string() }) }),
]);
const container = z.object({
  image: z.string(),
  args: z.tuple([z.enum(['serve', 'migrate'])]),
  envFrom: z.array(source),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })),
  securityContext: z.object({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.object({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  resources: z.object({ requests: labels, limits: labels }),
});
const Deployment = z.object({
  spec: z.object({
    replicas: z.number().min(2),
    strategy: z.object({
      rollingUpdate: z.object({ maxUnavailable: z.literal(0), maxSurge: z.number().min(1) }),
    }),
    selector: z.object({ matchLabels: labels }),
    template: z.object({
      metadata: z.object({ labels, annotations: labels }),
      spec: z.object({
        serviceAccountName: z.string(),
        enableServiceLinks: z.boolean(),
        terminationGracePeriodSeconds: z.number(),
        securityContext: z.object({ runAsNonRoot: z.literal(true), runAsUser: z.number() }),
        topologySpreadConstraints: z
          .array(z.object({ labelSelector: z.object({ matchLabels: labels }) }))
          .min(1),
        initContainers: z.tuple([container]),
        containers: z.tuple([
          container.extend({
            ports: z.tuple([z.object({ name: z.literal('http'), containerPort: z.number() })]),
            startupProbe: probe,
            livenessProbe: probe,
            readinessProbe: probe,
          }),
        ]),
        volumes: z.array(
          z.object({ name: z.string(), configMap: z.object({ name: z.string() }).optional() }),
        ),
      }),
    }),
  }),
});
const Named = z.object({ kind: z.string(), metadata: z.object({ name: z.string() }) });

const deployment = Deployment.parse(yaml(`${FOLDER}/deployment.yaml`)).spec;
const pod = deployment.template.spec;
const [gateway] = pod.containers;
const [migrate] = pod.initContainers;
const kustomization = z
  .object({
    resources: z.array(z.string()),
    configMapGenerator: z.array(
      z.object({
        name: z.string(),
        envs: z.array(z.string()).optional(),
        files: z.array(z.string()).optional(),
      }),
    ),
    images: z.tuple([z.object({ name: z.string() })]),
  })
  .parse(yaml(`${FOLDER}/kustomization.yaml`));
const settings = envFile(`${FOLDER}/settings.env`);

it('kustomization.yaml includes every file except the example of a secret', () => {
  const generated = kustomization.configMapGenerator.flatMap(({ envs = [], files = [] }) => [
    ...envs,
    ...files,
  ]);
  const taken = ['kustomization.yaml', 'secret.example.yaml', ...kustomization.resources, ...generated];
  expect(taken.map((name) => `${FOLDER}/${name}`).toSorted()).toEqual(filesBelow(FOLDER).toSorted());
});

describe('the pods', () => {
  it('get no variables named after services, which would be read as settings', () => {
    expect(pod.enableServiceLinks).toBe(false);
  });

  it('have enough time to stop', () => {
    const setting = (name: 'drainDelaySeconds' | 'drainTimeoutSeconds') =>
      Number(settings.get(SETTINGS[name].env) ?? SETTINGS[name].default);
    expect(setting('drainDelaySeconds')).toBeGreaterThan(0);
    const stop = setting('drainDelaySeconds') + IDLE_GRACE_MS / 1000 + setting('drainTimeoutSeconds');
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(stop + 5);
  });

  it('have the labels that everything else selects', () => {
    const wanted = [
      deployment.selector.matchLabels,
      ...pod.topologySpreadConstraints.map(({ labelSelector }) => labelSelector.matchLabels),
      z.object({ spec: z.object({ selector: labels }) }).parse(yaml(`${FOLDER}/service.yaml`)).spec.selector,
      z
        .object({ spec: z.object({ selector: z.object({ matchLabels: labels }) }) })
        .parse(yaml(`${FOLDER}/disruptionbudget.yaml`)).spec.selector.matchLabels,
    ];
    for (const selector of wanted) expect(deployment.template.metadata.labels).toMatchObject(selector);
  });

  it('have the names by which others refer to them, and run the image that kustomization.yaml renames', () => {
    const maps = kustomization.configMapGenerator.map(({ name }) => name);
    const secret = Named.parse(yaml(`${FOLDER}/secret.example.yaml`)).metadata.name;
    const account = Named.parse(yaml(`${FOLDER}/serviceaccount.yaml`)).metadata.name;
    expect(pod.serviceAccountName).toBe(account);
    for (const { image, args, envFrom, volumeMounts } of [gateway, migrate]) {
      expect(image).toBe(kustomization.images[0].name);
      expect(args).toEqual([image === gateway.image && args[0] === 'serve' ? 'serve' : 'migrate']);
      for (const from of envFrom) {
        if ('configMapRef' in from) expect(maps).toContain(from.configMapRef.name);
        else expect(from.secretRef.name).toBe(secret);
      }
      const volumes = pod.volumes.map(({ name }) => name);
      for (const { name } of volumeMounts) expect(volumes).toContain(name);
    }
    for (const { configMap } of pod.volumes) if (configMap) expect(maps).toContain(configMap.name);
    const folder = gateway.volumeMounts.find(({ name }) => name === 'config')?.mountPath;
    expect(settings.get('ONETAKE_CONFIG')).toBe(`${folder}/onetake.yaml`);
  });

  it('can write where the image writes, and run as its user', () => {
    const image = read('deploy/Dockerfile');
    const writable = gateway.volumeMounts
      .filter(({ name }) => name === 'scratch')
      .map(({ mountPath }) => mountPath);
    expect(writable.toSorted()).toEqual(
      [/ONETAKE_DATA_DIR=(\S+)/, /HOME=(\S+)/].map((pattern) => pattern.exec(image)?.[1]).toSorted(),
    );
    expect(image).toContain(`USER ${pod.securityContext.runAsUser}:`);
  });
});

describe('requests to a gateway', () => {
  let t: TestGateway;
  beforeAll(async () => {
    t = await startTestGateway();
  });
  afterAll(() => t.end());

  it('by probes use its port and its paths, and wait longer than its own checks', async () => {
    expect(String(gateway.ports[0].containerPort)).toBe(SETTINGS.port.default);
    expect(gateway.livenessProbe.httpGet.path).toBe('/healthz');
    expect(gateway.startupProbe.httpGet.path).toBe('/healthz');
    expect(gateway.readinessProbe.httpGet.path).toBe('/readyz');
    expect(gateway.readinessProbe.timeoutSeconds).toBeGreaterThan(3);
    const scraped = deployment.template.metadata.annotations;
    expect(scraped['prometheus.io/port']).toBe(SETTINGS.port.default);
    for (const path of ['/healthz', '/readyz', scraped['prometheus.io/path'] ?? '']) {
      expect((await t.call(path, { key: null })).status, path).toBe(200);
    }
  });

  it('through the ingress reach every path that clients use, may be held, and may have bodies of the same size', async () => {
    const ingress = z
      .object({
        metadata: z.object({ annotations: labels }),
        spec: z.object({
          rules: z.tuple([
            z.object({
              http: z.object({
                paths: z.array(
                  z.object({
                    path: z.string(),
                    pathType: z.enum(['Prefix', 'Exact']),
                    backend: z.object({
                      service: z.object({ name: z.string(), port: z.object({ name: z.string() }) }),
                    }),
                  }),
                ),
              }),
            }),
          ]),
        }),
      })
      .parse(yaml(`${FOLDER}/ingress.yaml`));
    const service = z
      .object({
        metadata: z.object({ name: z.string() }),
        spec: z.object({ ports: z.array(z.object({ name: z.string(), targetPort: z.literal('http') })) }),
      })
      .parse(yaml(`${FOLDER}/service.yaml`));
    const { paths } = ingress.spec.rules[0].http;
    for (const { backend } of paths) {
      expect(backend.service.name).toBe(service.metadata.name);
      expect(service.spec.ports.map(({ name }) => name)).toContain(backend.service.port.name);
    }
    const { body: document } = await t.json('/openapi.json');
    const inside = ['/healthz', '/readyz'];
    const used = [...Object.keys(document.paths), '/docs/', '/openapi.json', '/mcp'].filter(
      (path) => !inside.includes(path),
    );
    const passes = (path: string) =>
      paths.some((rule) =>
        rule.pathType === 'Exact' ? path === rule.path : path.startsWith(`${rule.path}/`),
      );
    expect(used.filter((path) => !passes(path))).toEqual([]);
    expect([...inside, '/metrics'].filter(passes)).toEqual([]);

    const { annotations } = ingress.metadata;
    const query = document.paths['/v1/video/generations/{task_id}'].get;
    const wait = query.parameters.find((parameter: { name: string }) => parameter.name === 'wait').schema
      .maximum;
    expect(wait).toBe(60);
    expect(seconds(annotations['nginx.org/proxy-read-timeout'] ?? '')).toBeGreaterThan(wait);
    expect(annotations['nginx.org/client-max-body-size']).toBe(`${SETTINGS.bodyLimitMb.default}m`);
  });
});
