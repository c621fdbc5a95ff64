import { openSqliteStore } from '../../../src/store/sqlite/store.ts';

// Holds a data folder as a gateway does, until it is killed.
await openSqliteStore({ dir: process.argv[2] ?? '', exclusive: true });
process.stdout.write('open\n');
setInterval(() => undefined, 60_000);
