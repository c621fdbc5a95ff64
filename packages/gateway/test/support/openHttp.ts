import type { ProxySettings } from '../../src/net/proxies.ts';
import { createOpenHttp, type OpenHttp } from '../../src/providers/http/upstreamHttp.ts';
import { localPermits } from '../../src/providers/rates/permits.ts';
import { systemClock } from '../../src/time/clock.ts';

/** What the registry passes to adapters, for a node that has its lease unless the test says otherwise. */
export const openHttpWhile = (hasLease = () => true, proxies?: ProxySettings): OpenHttp =>
  createOpenHttp({ hasLease, proxies, clock: systemClock });

/** What the registry passes to adapters on a single node. */
export const ownPermits = localPermits(systemClock);
