/**
 * The addresses of Model Studio by region ("Base URLs", Model Studio). Keys, models and tasks belong to one region. The names of
 * workspace hosts (`{WorkspaceId}.{region}.maas.aliyuncs.com`) contain the region.
 */
export const REGIONS = {
  beijing: { url: 'https://dashscope.aliyuncs.com', workspace: 'cn-beijing' },
  singapore: { url: 'https://dashscope-intl.aliyuncs.com', workspace: 'ap-southeast-1' },
  virginia: { url: 'https://dashscope-us.aliyuncs.com', workspace: 'us-east-1' },
} as const;

export type Region = keyof typeof REGIONS;

export const REGION_NAMES = Object.keys(REGIONS) as [Region, ...Region[]];

/** The default of DashScope's own SDKs. */
const DEFAULT_REGION: Region = 'beijing';

/** Paths in base URLs of other clients: the first of DashScope's SDKs, the second of OpenAI-compatible ones. */
const CLIENT_PATHS = /\/(?:api|compatible-mode)\/v1\/?$/;

interface Place {
  /** The base URL without the path of one of its services. */
  readonly baseUrl: string;
  /** Undefined if the address does not tell. */
  readonly region: Region | undefined;
  /** Whether it is Alibaba's own service. */
  readonly own: boolean;
}

/** The place of an account, by its region or its base URL. */
export function placeOf(given: { region?: Region | undefined; baseUrl?: string | undefined }): Place {
  const baseUrl = given.baseUrl?.replace(CLIENT_PATHS, '');
  if (baseUrl === undefined) {
    const region = given.region ?? DEFAULT_REGION;
    return { baseUrl: REGIONS[region].url, region, own: true };
  }
  const { hostname } = new URL(baseUrl);
  const region = REGION_NAMES.find(
    (name) =>
      hostname === new URL(REGIONS[name].url).hostname ||
      hostname.endsWith(`.${REGIONS[name].workspace}.maas.aliyuncs.com`),
  );
  return { baseUrl, region: given.region ?? region, own: hostname.endsWith('.aliyuncs.com') };
}
