/**
 * Where Model Studio answers, by region ("Base URLs", Model Studio). Keys, models and tasks belong to one region. Workspace
 * hosts (`{WorkspaceId}.{region}.maas.aliyuncs.com`) hold the region in their names.
 */
export const REGIONS = {
  beijing: { url: 'https://dashscope.aliyuncs.com', workspace: 'cn-beijing' },
  singapore: { url: 'https://dashscope-intl.aliyuncs.com', workspace: 'ap-southeast-1' },
  virginia: { url: 'https://dashscope-us.aliyuncs.com', workspace: 'us-east-1' },
} as const;

export type Region = keyof typeof REGIONS;

export const REGION_NAMES = Object.keys(REGIONS) as [Region, ...Region[]];

/** The one that DashScope's own SDKs use unless told otherwise. */
const DEFAULT_REGION: Region = 'beijing';

/** Ends of base URLs as other clients take them: DashScope's SDKs the first, OpenAI-compatible ones the second. */
const CLIENT_PATHS = /\/(?:api|compatible-mode)\/v1\/?$/;

interface Place {
  /** The origin, without a path that belongs to one of its services. */
  readonly baseUrl: string;
  /** Undefined where the address does not tell. */
  readonly region: Region | undefined;
  /** Whether it is Alibaba's own service. */
  readonly own: boolean;
}

/** Where an account is, by the region or the base URL that it was given. */
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
