// A subscriber as a front-end team writes one: the npm graphql-ws client, resuming by cursor.
// Arguments: the socket's URL, the account's id, the cursor to begin at, then tokens, one per introduction.
// Says on standard output, one JSON value a line: {seq} for a line, {closed} for a lost socket, {failed}.
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { createClient } = require('graphql-ws');
const WebSocket = require('ws');

const [url, account, since, ...tokens] = process.argv.slice(2);
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');

const client = createClient({
  url,
  webSocketImpl: WebSocket,
  shouldRetry: () => true, // without it a refused connection is final
  retryAttempts: 100,
  retryWait: () => new Promise((done) => setTimeout(done, 50)),
  connectionParams: () => ({
    authorization: `Bearer ${tokens.length > 1 ? tokens.shift() : tokens[0]}`,
  }),
  on: { closed: ({ code, reason }) => say({ closed: code, reason }) },
});

// The client sends this same object again after a reconnect, so the cursor in it is kept current.
const operation = {
  query: `subscription($account: ID!, $since: String) {
    usageEntryLanded(account: $account, since: $since) {
      edge { cursor node { ... on LedgerEntry { seq } } } } }`,
  variables: { account, since },
};

client.subscribe(operation, {
  next({ data, errors }) {
    if (errors) return say({ failed: errors });
    const { cursor, node } = data.usageEntryLanded.edge;
    operation.variables.since = cursor;
    say({ seq: node.seq });
  },
  error: (error) => say({ failed: error.code ?? error.message ?? error }),
  complete: () => say({ complete: true }),
});
