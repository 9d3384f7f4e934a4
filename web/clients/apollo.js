import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { getMainDefinition, relayStylePagination } from '@apollo/client/utilities';
import { createClient } from 'graphql-ws';
import possible from './possible-types.json' with { type: 'json' };

export function makeCache() {
  return new InMemoryCache({
    // Without them `... on LedgerEntry` matches nothing, silently.
    possibleTypes: possible.possibleTypes,
    typePolicies: {
      Account: { fields: { usage: relayStylePagination(['filter']) } },
      // One account at a time: the viewer has no id of its own.
      Viewer: { keyFields: [], merge: true },
    },
  });
}

export function makeClient({ url, token, webSocketImpl }) {
  const authorization = `Bearer ${token}`;
  const http = new HttpLink({ uri: url, headers: { authorization } });
  const socket = new GraphQLWsLink(
    createClient({ url: url.replace(/^http/, 'ws'), connectionParams: { authorization }, webSocketImpl }),
  );
  const isSubscription = ({ query }) => getMainDefinition(query).operation === 'subscription';
  return new ApolloClient({ cache: makeCache(), link: ApolloLink.split(isSubscription, socket, http) });
}

/** Puts a line that landed at the top of the unfiltered feed. A line that is there stays where it is. */
export function prependLanded(cache, query, variables, { edge }) {
  cache.updateQuery({ query, variables }, (data) => {
    const { usage } = data.viewer.account;
    if (usage.edges.some(({ node }) => node.id === edge.node.id)) return data;
    const account = { ...data.viewer.account, usage: { ...usage, edges: [edge, ...usage.edges] } };
    return { ...data, viewer: { ...data.viewer, account } };
  });
}
