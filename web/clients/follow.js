// One of the live clients as a process of its own. Arguments: which, the server's URL, the account's id, the
// cursor to begin at, then tokens, one per introduction, of which the last is kept. Says each line that lands
// and each report on standard output, one JSON value a line; ends what it follows when its input ends.
import { WebSocket } from 'ws';
import { followWithApollo, multipartLink, socketLink } from './follow-apollo.js';
import { followStream } from './follow-sse.js';

globalThis.WebSocket ??= WebSocket; // as in every browser: Apollo's link compares with it

const [which, url, account, since, ...tokens] = process.argv.slice(2);
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');
const token = async () => (tokens.length > 1 ? tokens.shift() : tokens[0]);
const query = `subscription ($account: ID!, $since: String) {
  usageEntryLanded(account: $account, since: $since) {
    edge { cursor node { __typename ... on LedgerEntry { id seq } } } } }`;
const wanted = {
  url,
  token,
  webSocketImpl: WebSocket,
  account,
  since,
  query,
  show: (node) => say({ seq: node.seq, kind: node.__typename }),
  report: (code) => say({ reported: code }),
};

const end = {
  'graphql-sse': () => followStream(wanted),
  'apollo-socket': () => followWithApollo(socketLink(wanted), wanted),
  'apollo-multipart': () => followWithApollo(multipartLink(wanted), wanted),
}[which]();

process.stdin.resume().on('end', () => {
  end();
  say({ ended: true });
});
