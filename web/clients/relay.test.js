import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOperationDescriptor, fetchQuery, requestSubscription } from 'relay-runtime';
import feed from './relay/__generated__/documentsFeedQuery.graphql.js';
import landed from './relay/__generated__/documentsLandedSubscription.graphql.js';
import { makeEnvironment } from './relay/environment.js';
import { account, charge, customer, down, seqs, waitFor } from './support.js';

test('Relay pages, paginates, filters and appends live', async () => {
  const { environment, close } = makeEnvironment(customer);
  const operation = createOperationDescriptor(feed, { first: 5 });
  const kept = environment.retain(operation);
  const shown = () => environment.lookup(operation.fragment).data;
  const fetched = (variables) => fetchQuery(environment, feed, variables).toPromise();

  await fetched({ first: 5 });
  const head = seqs(shown())[0];
  assert.deepEqual(seqs(shown()), down(head, 5));

  await fetched({ first: 5, after: shown().viewer.account.usage.pageInfo.endCursor });
  assert.deepEqual(seqs(shown()), down(head, 10));

  const refunds = await fetched({ first: 5, filter: { kinds: ['REFUND'] } });
  assert.deepEqual(
    new Set(refunds.viewer.account.usage.edges.map(({ node }) => node.__typename)),
    new Set(['Refund']),
  );
  assert.deepEqual(seqs(shown()), down(head, 10));

  const { headCursor: since, usage } = shown().viewer.account;
  const variables = { account, since, connections: [usage.__id] };
  const landing = requestSubscription(environment, { subscription: landed, variables });
  const { seq } = await charge(3);
  assert.equal(seq, head + 1);
  await waitFor('the line', () => seqs(shown())[0] === seq);
  assert.deepEqual(seqs(shown()), down(seq, 11));
  assert.equal(shown().viewer.account.balance, shown().viewer.account.usage.edges[0].node.balanceAfter);
  landing.dispose();
  kept.dispose();
  await close();
});
