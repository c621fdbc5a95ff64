#!/usr/bin/env node
// It has no static imports: an older Node would fail at them before it could say why.
const NEEDED = 24;
const { node } = process.versions;

if (Number.parseInt(node, 10) >= NEEDED) {
  const { keepCompiledCode } = await import('./compileCache.ts');
  keepCompiledCode(process.env);
  await import('./run.ts');
} else {
  process.stderr.write(`onetake needs Node ${NEEDED} or newer; this is ${node}.\n`);
  process.exitCode = 2;
}
