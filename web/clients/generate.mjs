/**
 * What clients need to know of the schema beforehand, written from schema/schema.graphql:
 * possible types for Apollo, an introspection cut to the bone for graphcache.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { getIntrospectedSchema, minifyIntrospectionQuery } from '@urql/introspection';
import { buildSchema, introspectionFromSchema, isAbstractType } from 'graphql';

const at = (path) => new URL(path, import.meta.url);
const schema = buildSchema(await readFile(at('../../schema/schema.graphql'), 'utf8'));

const possibleTypes = Object.fromEntries(
  Object.values(schema.getTypeMap())
    .filter((type) => isAbstractType(type) && !type.name.startsWith('__'))
    .map((type) => [
      type.name,
      schema
        .getPossibleTypes(type)
        .map(({ name }) => name)
        .sort(),
    ])
    .sort(([a], [b]) => a.localeCompare(b)),
);
const graphcache = minifyIntrospectionQuery(getIntrospectedSchema(introspectionFromSchema(schema)), {
  includeScalars: false,
  includeEnums: false,
  includeInputs: false,
  includeDirectives: false,
});

const files = { 'possible-types.json': { possibleTypes }, 'graphcache-schema.json': graphcache };
for (const [name, content] of Object.entries(files)) {
  const text = `${JSON.stringify(content, null, name.startsWith('graphcache') ? 0 : 2)}\n`;
  if (!process.argv.includes('--check')) await writeFile(at(name), text);
  else if ((await readFile(at(name), 'utf8').catch(() => '')) !== text) {
    console.error(`web/clients/${name} is not what the schema gives: run \`npm run generate\` there.`);
    process.exitCode = 1;
  }
}
