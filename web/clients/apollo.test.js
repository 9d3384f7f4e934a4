import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gql } from '@apollo/client';
import { makeClient, prependLanded } from './apollo.js';
import { FEED, LANDED } from './documents.js';
import { account, charge, customer, down, seqs, waitFor } from './support.js';

const feed = gql(FEED);
const variables = { first: 5 };

test('Apollo Client pages, paginates, filters and appends live with the published policies', async () => {
  const client = makeClient(customer);
  const { data } = await client.query({ query: feed, variables });
  const query = client.watchQuery({ query: feed, variables });
  const watching = query.subscribe({});
  const head = seqs(data)[0];
  assert.deepEqual(seqs(data), down(head, 5));
  assert.equal(typeof data.viewer.account.usage.edges[0].node.reason.title, 'string');

  await query.fetchMore({ variables: { after: data.viewer.account.usage.pageInfo.endCursor } });
  await waitFor('the second page', () => seqs(query.getCurrentResult().data).length === 10);
  assert.deepEqual(seqs(query.getCurrentResult().data), down(head, 10));

  const filter = { kinds: ['REFUND'] };
  const refunds = await client.query({ query: feed, variables: { first: 5, filter } });
  assert.deepEqual(
    new Set(refunds.data.viewer.account.usage.edges.map(({ node }) => node.__typename)),
    new Set(['Refund']),
  );
  assert.deepEqual(seqs(query.getCurrentResult().data), down(head, 10));

  const since = data.viewer.account.headCursor;
  const landing = client
    .subscribe({ query: gql(LANDED), variables: { account, since } })
    .subscribe((result) => {
      prependLanded(client.cache, feed, variables, result.data.usageEntryLanded);
    });
  const { seq } = await charge(3);
  assert.equal(seq, head + 1);
  await waitFor('the line', () => seqs(query.getCurrentResult().data)[0] === seq);
  const shown = query.getCurrentResult().data;
  assert.deepEqual(seqs(shown), down(seq, 11));
  assert.equal(shown.viewer.account.balance, shown.viewer.account.usage.edges[0].node.balanceAfter);
  landing.unsubscribe();
  watching.unsubscribe();
  client.stop();
});
