/** The two operations of a feed: a page of lines, and the lines that land. */

const LINE = `
  fragment Line on LedgerEntry {
    __typename
    id
    seq
    amount
    balanceAfter
    recordedAt
    reason { code title }
    ... on Charge { refunded net }
    ... on Refund { automatic charge { id refunded net } }
  }
`;

export const FEED = `
  query Feed($first: Int!, $after: String, $filter: UsageFilter) {
    viewer {
      account {
        id
        balance
        headCursor
        usage(first: $first, after: $after, filter: $filter) {
          edges { cursor node { ...Line } }
          pageInfo { hasNextPage endCursor hasPreviousPage startCursor }
        }
      }
    }
  }
  ${LINE}
`;

export const LANDED = `
  subscription Landed($account: ID!, $since: String) {
    usageEntryLanded(account: $account, since: $since) {
      edge { cursor node { ...Line } }
      account { id balance }
    }
  }
  ${LINE}
`;
