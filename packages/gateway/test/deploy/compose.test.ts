import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { IDLE_GRACE_MS } from '../../src/api/shutdown.ts';
import { SETTINGS } from '../../src/config/settings.ts';
import { envFile, read, seconds, yaml } from './files.ts';

const PORT = SETTINGS.port.default;

const Service = z.object({
  image: z.string(),
  environment: z.record(z.string(), z.string()).default({}),
  volumes: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.unknown()).default({}),
  stop_grace_period: z.string().optional(),
  healthcheck: z.object({ test: z.array(z.string()).optional() }),
});
const compose = z
  .object({ services: z.record(z.string(), Service), volumes: z.record(z.string(), z.null()) })
  .parse(yaml('deploy/compose.yaml'));
const services = Object.entries(compose.services);
const gateways = services.filter(([name]) => name.startsWith('gateway-'));

const nginx = read('deploy/nginx.conf').replaceAll(/#.*$/gm, '');
const directive = (name: string): string[] =>
  [...nginx.matchAll(new RegExp(`^\\s*${name}\\s+([^;{]+);`, 'gm'))].map(([, value = '']) => value.trim());

describe('compose.yaml', () => {
  it('pins every image, and has the volumes that its services name', () => {
    for (const [, { image, volumes }] of services) {
      expect(image).toMatch(/:(?!latest)[\w.-]+$/);
      const named = volumes
        .map((volume) => volume.split(':', 1)[0] ?? '')
        .filter((name) => !name.startsWith('.'));
      for (const name of named) expect(Object.keys(compose.volumes)).toContain(name);
    }
  });

  it('has no secret of its own: each comes from .env and is named in its example', () => {
    const example = envFile('deploy/.env.example');
    const variables = [...read('deploy/compose.yaml').matchAll(/\$\{(\w+)(:\?)?/g)];
    for (const [, name = '', required] of variables) {
      if (required) expect([...example.keys()], name).toContain(name);
    }
    for (const [name, value] of example) {
      if (/PASSWORD|SECRET|_KEY$/.test(name)) expect(value, name).toBe('');
    }
  });

  it('gives a gateway enough time to stop, queries its /readyz, and starts it after its dependencies', () => {
    expect(gateways.length).toBeGreaterThan(1);
    for (const [name, gateway] of gateways) {
      const stop =
        Number(gateway.environment[SETTINGS.drainDelaySeconds.env]) +
        IDLE_GRACE_MS / 1000 +
        Number(gateway.environment[SETTINGS.drainTimeoutSeconds.env]);
      expect(seconds(gateway.stop_grace_period ?? ''), name).toBeGreaterThanOrEqual(stop + 5);
      expect(gateway.healthcheck.test?.join(' ')).toContain(`http://127.0.0.1:${PORT}/readyz`);
      for (const needed of Object.keys(gateway.depends_on))
        expect(Object.keys(compose.services)).toContain(needed);
    }
  });
});

describe('nginx.conf', () => {
  it('balances over the gateways of compose.yaml', () => {
    const servers = directive('server').map((server) => server.split(' ', 1)[0]);
    expect(servers).toEqual(gateways.map(([name]) => `${name}:${PORT}`));
  });

  it('closes idle connections to a gateway before a stopping gateway does', () => {
    const [upstream = ''] = directive('keepalive_timeout');
    expect(seconds(upstream) * 1000).toBeLessThan(IDLE_GRACE_MS);
  });

  it('uses a restarted node again before the next one stops listening', () => {
    const out = [...nginx.matchAll(/\bfail_timeout=(\w+)/g)].map(([, time = '']) => seconds(time));
    expect(out).toHaveLength(gateways.length);
    for (const [, { environment }] of gateways) {
      expect(Number(environment[SETTINGS.drainDelaySeconds.env])).toBeGreaterThan(Math.max(...out));
    }
  });

  it('waits for held queries, accepts bodies of the same size, and never repeats a POST', () => {
    // The longest time for which a query is held: `wait` of the API reference.
    expect(seconds(directive('proxy_read_timeout')[0] ?? '')).toBeGreaterThan(60);
    // An upload has a form around its file.
    expect(directive('client_max_body_size')).toEqual([
      `${SETTINGS.bodyLimitMb.default}m`,
      `${Number(SETTINGS.fileLimitMb.default) + 1}m`,
    ]);
    expect(directive('proxy_next_upstream')).toEqual(['error timeout']);
  });

  it('passes events on at once', () => {
    const location = /location ~ (\S+events\S*) \{([^}]+)\}/.exec(nginx);
    expect('/v1/video/generations/video_1/events').toMatch(new RegExp(location?.[1] ?? 'nothing'));
    expect(location?.[2]).toContain('proxy_buffering off;');
  });

  it('logs no query strings, which contain the signatures of links', () => {
    const [format = ''] = directive('log_format');
    expect(format).toContain('$uri');
    expect(format).not.toMatch(/\$request\b|\$request_uri|\$args|\$query_string/);
  });
});
