/** A customer's feed on the server under test, and the service that books its lines. Addresses and credentials come from the caller. */
import { WebSocket } from 'ws';

export const customer = {
  url: process.env.FEED_URL,
  token: process.env.FEED_TOKEN,
  webSocketImpl: WebSocket,
};
export const account = process.env.FEED_ACCOUNT;

let keys = 0;

/** Books a charge and returns its line's id and number. */
export async function charge(amount) {
  const query = `mutation ($input: RecordChargeInput!) {
    recordCharge(input: $input) { ... on ChargeRecorded { entry { id seq } } ... on Refused { message } }
  }`;
  const input = { account, amount, idempotencyKey: `${process.pid}-${(keys += 1)}` };
  const response = await fetch(customer.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${process.env.FEED_SERVICE_TOKEN}`,
    },
    body: JSON.stringify({ query, variables: { input } }),
  });
  return (await response.json()).data.recordCharge.entry;
}

export async function waitFor(what, condition) {
  for (const until = Date.now() + 10_000; Date.now() < until;) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`waited in vain for ${what}`);
}

export const seqs = (data) => data.viewer.account.usage.edges.map(({ node }) => node.seq);
/** So many numbers down from one. */
export const down = (from, count) => Array.from({ length: count }, (_, index) => from - index);
