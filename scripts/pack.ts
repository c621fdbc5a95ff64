// Builds the packages that are published, and writes their tarballs into the folder `dist`.
import { relative, resolve } from 'node:path';
import { isPackageName, PACKAGE_NAMES, pack } from './pack/tarball.ts';

const names = process.argv.slice(2);
const unknown = names.filter((name) => !isPackageName(name));
if (unknown.length > 0) {
  console.error(`There is no package "${unknown[0]}" to pack; there are: ${PACKAGE_NAMES.join(', ')}.`);
  process.exit(2);
}
for (const name of names.length > 0 ? names.filter(isPackageName) : PACKAGE_NAMES)
  console.log(relative('.', await pack(name, resolve('dist'))));
