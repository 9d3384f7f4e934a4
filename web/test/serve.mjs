/** Runs the test server for a look at the page: `npm run serve`, after `npm run build`. */
import { runnerImport } from 'vite';

const { module: server } = await runnerImport('./test/server/server.ts');
const { module: ledger } = await runnerImport('./test/server/ledger.ts');

const instance = new server.TestServer();
ledger.bookHistory(instance.open('demo', 'Northwind Studio', { timeZone: 'Europe/Berlin' }), 600);
instance.open('empty', 'Fresh account');
await instance.start();
for (const path of ['/billing/usage', '/graphql']) {
  for (const token of instance.tokens.keys()) console.log(`${instance.origin}${path}#token=${token}`);
}
