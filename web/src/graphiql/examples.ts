/** The operations a first-time visitor finds in the editor: one tab for a customer, one for a service. */

const CUSTOMER = `# The customer's own account, newest line first: charges, refunds, grants and
# adjustments are one feed, each with its reason and the balance it left behind.
query MyUsage {
  viewer {
    kind
    scopes
    account {
      id
      name
      unit
      scale
      balance
      available
      usage(first: 10) {
        edges {
          cursor
          node {
            __typename
            ... on LedgerEntry {
              id
              seq
              amount
              balanceAfter
              recordedAt
              reason { title detail fault }
              job { key operation status refundDecision { refunded rule reason { title } } }
            }
            ... on Charge { refunded net }
            ... on Refund { automatic rule charge { id amount } }
            ... on Adjustment { author note }
          }
        }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}

# Every line that lands from now on, once and in order. Put the account's id in the variables.
subscription Live($account: ID!) {
  usageEntryLanded(account: $account) {
    edge {
      cursor
      node {
        __typename
        ... on LedgerEntry { seq amount balanceAfter reason { title } }
      }
    }
    account { balance }
  }
}
`;

const SERVICE = `# A service names the account in the variables, by the key it opened it under.
query AccountUsage($key: String!, $from: DateTime!, $to: DateTime!) {
  account(key: $key) {
    id
    name
    balance
    statement(from: $from, to: $to) {
      opening
      granted
      charged
      refunded
      adjusted
      closing
      final
    }
    usage(first: 10, filter: { kinds: [REFUND], from: $from, to: $to }) {
      nodes {
        ... on Refund { seq amount automatic rule reason { title } charge { seq amount net } }
      }
    }
  }
}

# The same key again is the same answer: send it as often as you like.
mutation RecordCharge($input: RecordChargeInput!) {
  recordCharge(input: $input) {
    __typename
    ... on ChargeRecorded { replayed entry { id seq amount balanceAfter } }
    ... on Refused { message }
  }
}
`;

/** The tabs of an editor that has none yet; the service's example is dated to the current month. */
export function exampleTabs(
  headers: string,
  now: Date,
): { query: string; variables: string; headers: string }[] {
  const month = (offset: number): string =>
    new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset, 1)).toISOString();
  const variables = {
    key: 'northwind',
    from: month(0),
    to: month(1),
    input: { account: "the account's id", idempotencyKey: 'example-1', amount: 5 },
  };
  return [
    { query: CUSTOMER, variables: JSON.stringify({ account: "the account's id" }, null, 2), headers },
    { query: SERVICE, variables: JSON.stringify(variables, null, 2), headers },
  ];
}
