import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gql } from 'urql';
import { FEED, LANDED } from './documents.js';
import { account, charge, customer, down, seqs, waitFor } from './support.js';
import { makeClient } from './urql.js';

const feed = { query: gql(FEED), variables: { first: 5 } };

test('urql with graphcache pages, paginates, filters and appends live with the published policies', async () => {
  const { client, close } = makeClient({ ...customer, feed });
  const first = await client.query(feed.query, feed.variables).toPromise();
  assert.equal(first.error, undefined);
  const head = seqs(first.data)[0];
  assert.deepEqual(seqs(first.data), down(head, 5));

  const after = first.data.viewer.account.usage.pageInfo.endCursor;
  const more = await client.query(feed.query, { ...feed.variables, after }).toPromise();
  assert.deepEqual(seqs(more.data), down(head, 10));

  const filter = { kinds: ['REFUND'] };
  const refunds = await client.query(feed.query, { first: 5, filter }).toPromise();
  assert.deepEqual(
    new Set(refunds.data.viewer.account.usage.edges.map(({ node }) => node.__typename)),
    new Set(['Refund']),
  );

  const shown = () => client.readQuery(feed.query, feed.variables).data;
  assert.deepEqual(seqs(shown()), down(head, 10));
  const since = first.data.viewer.account.headCursor;
  const landing = client.subscription(gql(LANDED), { account, since }).subscribe(() => undefined);
  const { seq } = await charge(3);
  assert.equal(seq, head + 1);
  await waitFor('the line', () => seqs(shown())[0] === seq);
  assert.deepEqual(seqs(shown()), down(seq, 11));
  assert.equal(shown().viewer.account.balance, shown().viewer.account.usage.edges[0].node.balanceAfter);
  landing.unsubscribe();
  await close();
});
