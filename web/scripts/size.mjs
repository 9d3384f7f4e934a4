/** Fails the build when the element or the page's first load outgrows its budget (gzip, bytes). */
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';

const DIST = new URL('../dist/', import.meta.url);
const KB = 1024;
const BUDGETS = { 'usage-feed.js': 30 * KB, 'usage.html': 45 * KB };

const sizeOf = async (name) => gzipSync(await readFile(new URL(name, DIST)), { level: 9 }).length;

for (const [name, budget_bytes] of Object.entries(BUDGETS)) {
  const text = await readFile(new URL(name, DIST), 'utf8');
  const loaded = name.endsWith('.html')
    ? [...text.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((match) => match[1])
    : [];
  const sizes = await Promise.all([name, ...loaded].map(sizeOf));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`${name}: ${bytes} of ${budget_bytes} bytes gzip`);
  if (bytes > budget_bytes) process.exitCode = 1;
}
