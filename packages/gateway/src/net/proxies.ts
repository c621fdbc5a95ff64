import { BlockList, isIP } from 'node:net';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';

/** The proxies for outgoing connections, from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`. */
export interface ProxySettings {
  /** For `http:` URLs. */
  readonly httpProxy?: string | undefined;
  /** For `https:` URLs. */
  readonly httpsProxy?: string | undefined;
  /** Host names, addresses and ranges that are reached without one. */
  readonly noProxy: readonly string[];
}

/** Reads the proxies from the settings; undefined if there are none. */
export const proxiesOf = ({ httpProxy, httpsProxy, noProxy }: ProxySettings): ProxySettings | undefined =>
  httpProxy === undefined && httpsProxy === undefined ? undefined : { httpProxy, httpsProxy, noProxy };

/** Returns the proxy for a URL; undefined if it is reached directly. */
export type ProxyFor = (url: URL) => string | undefined;

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/**
 * Follows the rules of curl and most other programs: `example.com`, `.example.com` and `*.example.com` match the host and its
 * subdomains, and `*` matches everything. A port may follow. Addresses may be ranges (`10.0.0.0/8`).
 */
export function createProxyFor({ httpProxy, httpsProxy, noProxy }: ProxySettings): ProxyFor {
  const rules = noProxy.map(readRule);
  return (url) => {
    const proxy = url.protocol === 'https:' ? httpsProxy : url.protocol === 'http:' ? httpProxy : undefined;
    if (proxy === undefined) return undefined;
    const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
    const port = url.port || DEFAULT_PORTS[url.protocol];
    return rules.some((matches) => matches(host, port)) ? undefined : proxy;
  };
}

/** Whether an entry of `NO_PROXY` is valid. */
export function isProxyRule(entry: string): boolean {
  try {
    readRule(entry);
    return true;
  } catch {
    return false;
  }
}

type Rule = (host: string, port: string | undefined) => boolean;

function readRule(entry: string): Rule {
  const text = entry.trim().toLowerCase();
  if (text === '*') return () => true;
  const range = /^([0-9a-f.:]+)\/(\d{1,3})$/.exec(text);
  if (range) return inRange(range[1] ?? '', Number(range[2]));
  const [, bracketed, plain, port] =
    /^(?:\[(.+)\]|(.*?))(?::(\d+))?$/.exec(isIP(text) ? `[${text}]` : text) ?? [];
  const name = (bracketed ?? plain ?? '').replace(/^\*?\./, '').replace(/\.$/, '');
  return (host, actual) =>
    (port === undefined || port === actual) && (host === name || (!isIP(host) && host.endsWith(`.${name}`)));
}

function inRange(base: string, bits: number): Rule {
  const list = new BlockList();
  list.addSubnet(base, bits, isIP(base) === 6 ? 'ipv6' : 'ipv4');
  return (host) => isIP(host) > 0 && list.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4');
}

/** A dispatcher that opens its own connections to any origin. */
export interface Connections {
  readonly dispatcher: Dispatcher;
  destroy(): Promise<void>;
}

/** Creates connections that use the proxies for the URLs that need them. */
export function createConnections(
  proxies: ProxySettings | undefined,
  options: Agent.Options & { readonly connect: { readonly timeout: number } },
): Connections {
  const direct = new Agent(options);
  if (!proxies) return { dispatcher: direct, destroy: () => direct.destroy() };
  const proxyFor = createProxyFor(proxies);
  const proxied = new Map<string, ProxyAgent>();
  const { connect, ...rest } = options;

  function through(uri: string): ProxyAgent {
    const agent = proxied.get(uri) ?? new ProxyAgent({ ...rest, uri, connectTimeout: connect.timeout });
    proxied.set(uri, agent);
    return agent;
  }

  return {
    dispatcher: direct.compose((dispatch) => (request, handler) => {
      const proxy = request.origin === undefined ? undefined : proxyFor(new URL(request.origin));
      if (proxy === undefined) return dispatch(request, handler);
      return through(proxy).dispatch(request, {
        onRequestStart: (...given) => handler.onRequestStart?.(...given),
        onRequestUpgrade: (...given) => handler.onRequestUpgrade?.(...given),
        onResponseStart: (...given) => handler.onResponseStart?.(...given),
        onResponseData: (...given) => handler.onResponseData?.(...given),
        onResponseEnd: (...given) => handler.onResponseEnd?.(...given),
        onResponseError: (controller, error) =>
          handler.onResponseError?.(controller, Object.assign(error, { proxy: new URL(proxy).host })),
      });
    }),
    async destroy() {
      await Promise.all([direct, ...proxied.values()].map((agent) => agent.destroy()));
    },
  };
}

/** The proxy (host and port, no credentials) of a call that failed, as its errors tell; undefined if it had none. */
export function proxyOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return 'proxy' in error && typeof error.proxy === 'string' ? error.proxy : proxyOf(error.cause);
}

/** The `proxyEnv` option of Node's agents, for clients that use those. The decision for a proxy was already made. */
export const proxyEnvironment = ({
  httpProxy,
  httpsProxy,
}: ProxySettings): Readonly<Record<string, string>> => ({
  ...(httpProxy === undefined ? {} : { HTTP_PROXY: httpProxy }),
  ...(httpsProxy === undefined ? {} : { HTTPS_PROXY: httpsProxy }),
});
