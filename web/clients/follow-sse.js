import { createClient } from 'graphql-sse';

/** Errors that a fresh token or a little time mends. */
const PASSING = ['TOKEN_EXPIRED', 'UNAVAILABLE'];

/** Follows an account over server-sent events until the function it returns is called. */
export function followStream({ url, token, account, since, query, show, report }) {
  const client = createClient({
    url,
    headers: async () => ({ authorization: `Bearer ${await token()}` }),
    retryAttempts: Infinity,
    retry: () => pause(),
  });
  // After a lost connection it is sent again as it is, so the cursor in it is kept current.
  const operation = { query, variables: { account, since } };
  let ended = false;
  let end = begin();

  function begin() {
    return client.subscribe(operation, {
      next({ data, errors }) {
        if (errors) {
          const { code } = errors[0].extensions;
          ended = !PASSING.includes(code);
          return report(code);
        }
        const { cursor, node } = data.usageEntryLanded.edge;
        operation.variables.since = cursor;
        show(node);
      },
      error: (error) => report(error.message ?? error),
      // The server stopped, or the token expired: a subscription has no other end.
      complete: () => pause().then(() => ended || (end = begin())),
    });
  }
  return () => {
    ended = true;
    end();
  };
}

const pause = () => new Promise((done) => setTimeout(done, 50 + 200 * Math.random()));
