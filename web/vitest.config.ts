import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The one that Node itself takes: two copies of graphql refuse each other's schemas.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: { include: ['test/**/*.test.ts'], environment: 'node', testTimeout: 15_000 },
});
