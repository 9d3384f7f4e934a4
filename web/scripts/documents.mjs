/** Writes dist/documents.json: what the usage page and the element ask, by the SHA-256 of each text. The server trusts these. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';

const GENERATED = new URL('../src/usage/data/generated.ts', import.meta.url);
const MANIFEST = new URL('../dist/documents.json', import.meta.url);

const texts = [...(await readFile(GENERATED, 'utf8')).matchAll(/^export const \w+Document = `([^`]*)`/gm)];
if (texts.length === 0) throw new Error('generated.ts has no documents.');
const hash = (text) => createHash('sha256').update(text).digest('hex');
const manifest = Object.fromEntries(texts.map(([, text]) => [hash(text), text]));
await writeFile(MANIFEST, `${JSON.stringify(manifest, null, 2)}\n`);
