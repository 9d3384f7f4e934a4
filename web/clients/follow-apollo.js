import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { SetContextLink } from '@apollo/client/link/context';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import possible from './possible-types.json' with { type: 'json' };

/** Errors that a fresh token or a little time mends. */
const PASSING = ['TOKEN_EXPIRED', 'UNAVAILABLE'];

/** Subscriptions over graphql-transport-ws. */
export function socketLink({ url, token, webSocketImpl }) {
  return new GraphQLWsLink(
    createClient({
      url: url.replace(/^http/, 'ws'),
      webSocketImpl,
      shouldRetry: () => true, // without it a refused connection is final
      retryAttempts: Infinity,
      retryWait: () => pause(),
      connectionParams: async () => ({ authorization: `Bearer ${await token()}` }),
    }),
  );
}

/** Subscriptions over HTTP, as multipart: what Apollo does without a socket. */
export function multipartLink({ url, token }) {
  const authorized = new SetContextLink(async ({ headers }) => ({
    headers: { ...headers, authorization: `Bearer ${await token()}` },
  }));
  return authorized.concat(new HttpLink({ uri: url }));
}

/** Follows an account over either link until the function it returns is called. */
export function followWithApollo(link, { account, since, query, show, report }) {
  // The socket's client comes back by itself and sends the same variables: they are kept current.
  const resuming = new ApolloLink((operation, forward) => {
    operation.variables = variables;
    return forward(operation);
  });
  const variables = { account, since };
  const client = new ApolloClient({
    cache: new InMemoryCache({ possibleTypes: possible.possibleTypes }),
    link: resuming.concat(link),
  });
  let ended = false;
  let subscription = begin();

  function begin() {
    const subscribed = { query: gql(query), variables, fetchPolicy: 'no-cache' };
    return client.subscribe(subscribed).subscribe({
      next({ data, error }) {
        if (error) return failed(error);
        const { cursor, node } = data.usageEntryLanded.edge;
        variables.since = cursor;
        show(node);
      },
      error: failed,
      // The server stopped, the way to it broke, or the token expired.
      complete: () => pause().then(() => ended || (subscription = begin())),
    });
  }

  function failed(error) {
    const code = error.errors?.[0].extensions.code; // none where it is the network's
    ended = code !== undefined && !PASSING.includes(code);
    report(code ?? error.message);
  }
  return () => {
    ended = true;
    subscription.unsubscribe();
    client.stop();
  };
}

const pause = () => new Promise((done) => setTimeout(done, 50 + 200 * Math.random()));
