import type { EstimateStore, StoredEstimate } from '../store.ts';
import { DATABASE_CLOCK } from './limits.ts';
import type { Connections } from './pool.ts';
import { named } from './statements.ts';

const COLUMNS =
  'kind, data, version::double precision as version, updated_at::double precision as "updatedAt"';
const NOW = `(${DATABASE_CLOCK})::bigint`;

const SQL = named({
  estimatesSince: `select ${COLUMNS} from estimates where updated_at >= $1 order by updated_at`,
  estimate: `select ${COLUMNS} from estimates where kind = $1`,
  makeEstimate: `
    insert into estimates (kind, data, version, updated_at) values ($1, $2, 1, ${NOW}) on conflict do nothing returning kind`,
  putEstimate: `
    update estimates set data = $2, version = version + 1, updated_at = ${NOW} where kind = $1 and version = $3 returning kind`,
  trimEstimates: `
    delete from estimates where kind in (select kind from estimates order by updated_at desc, kind offset $1)`,
});

export function postgresEstimates({ run, read }: Connections): EstimateStore {
  return {
    estimates: (since) => read<StoredEstimate>(SQL.estimatesSince, [Math.floor(since)]),
    async estimate(kind) {
      const [row] = await read<StoredEstimate>(SQL.estimate, [kind]);
      return row;
    },
    async putEstimate({ kind, data, version }, most) {
      if (version > 0) return (await run(SQL.putEstimate, [kind, data, version])).length > 0;
      const made = (await run(SQL.makeEstimate, [kind, data])).length > 0;
      if (made) await run(SQL.trimEstimates, [most]);
      return made;
    },
  };
}
