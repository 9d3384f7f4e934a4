/**
 * Writes a .gz and a .br sibling next to every text file of dist/, so that the server only picks one.
 * Owns no build step: it runs last.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

const DIST = new URL('../dist/', import.meta.url).pathname;
const TEXT = /\.(css|html|js|json|map|svg)$/;
/** Below this the header of a compressed answer costs more than it saves. */
const SIZE_BYTES_MIN = 512;
/** Brotli's best level takes minutes on GraphiQL's megabytes and gains a few per cent over this one. */
const BROTLI_QUALITY_LARGE = 9;
const SIZE_BYTES_LARGE = 400_000;

const brotli = (data) =>
  promisify(brotliCompress)(data, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: data.length > SIZE_BYTES_LARGE ? BROTLI_QUALITY_LARGE : 11,
    },
  });

for (const entry of await readdir(decodeURIComponent(DIST), { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !TEXT.test(entry.name)) continue;
  const path = join(entry.parentPath, entry.name);
  const data = await readFile(path);
  if (data.length < SIZE_BYTES_MIN) continue;
  const [gz, br] = await Promise.all([promisify(gzip)(data, { level: 9 }), brotli(data)]);
  await Promise.all([writeFile(`${path}.gz`, gz), writeFile(`${path}.br`, br)]);
}
