import { cacheExchange } from '@urql/exchange-graphcache';
import { relayPagination } from '@urql/exchange-graphcache/extras';
import { createClient as createSocket } from 'graphql-ws';
import { Client, fetchExchange, subscriptionExchange } from 'urql';
import schema from './graphcache-schema.json' with { type: 'json' };

/** Parts of their parents: they have no id and are cached where they stand. */
const EMBEDDED = [
  'Viewer',
  'Reason',
  'RunningTotals',
  'RefundDecision',
  'Statement',
  'ReasonTotal',
  'CampaignTotal',
  'DayTotal',
  'UsageConnection',
  'UsageEdge',
  'JobConnection',
  'JobEdge',
  'PageInfo',
  'UsageLanded',
];

export function makeCacheExchange(feed) {
  return cacheExchange({
    schema,
    keys: Object.fromEntries(EMBEDDED.map((name) => [name, () => null])),
    resolvers: { Account: { usage: relayPagination() } },
    updates: {
      Subscription: {
        // Puts a line that landed at the top of the unfiltered feed, once.
        usageEntryLanded({ usageEntryLanded: { edge } }, _args, cache) {
          cache.updateQuery(feed, (data) => {
            const { usage } = data.viewer.account;
            if (!usage.edges.some(({ node }) => node.id === edge.node.id)) {
              usage.edges.unshift({ __typename: 'UsageEdge', ...edge });
            }
            return data;
          });
        },
      },
    },
  });
}

export function makeClient({ url, token, webSocketImpl, feed }) {
  const authorization = `Bearer ${token}`;
  const socket = createSocket({
    url: url.replace(/^http/, 'ws'),
    connectionParams: { authorization },
    webSocketImpl,
  });
  const forwardSubscription = ({ query = '', variables }) => ({
    subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
  });
  const client = new Client({
    url,
    preferGetMethod: false,
    fetchOptions: { headers: { authorization } },
    exchanges: [makeCacheExchange(feed), fetchExchange, subscriptionExchange({ forwardSubscription })],
  });
  return { client, close: () => socket.dispose() };
}
