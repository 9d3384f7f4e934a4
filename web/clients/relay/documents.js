/** Compiled by relay-compiler into __generated__/; a product's build does the same to its components. */
import { graphql } from 'relay-runtime';

export const feed = graphql`
  query documentsFeedQuery($first: Int!, $after: String, $filter: UsageFilter) {
    viewer {
      account {
        id
        balance
        headCursor
        usage(first: $first, after: $after, filter: $filter)
          @connection(key: "Account_usage", filters: ["filter"]) {
          __id
          edges {
            cursor
            node {
              __typename
              ... on LedgerEntry {
                id
                seq
                amount
                balanceAfter
                reason {
                  code
                  title
                }
              }
              ... on Charge {
                refunded
                net
              }
            }
          }
          pageInfo {
            hasNextPage
            endCursor
          }
        }
      }
    }
  }
`;

export const landed = graphql`
  subscription documentsLandedSubscription($account: ID!, $since: String, $connections: [ID!]!) {
    usageEntryLanded(account: $account, since: $since) {
      edge @prependEdge(connections: $connections) {
        cursor
        node {
          __typename
          ... on LedgerEntry {
            id
            seq
            amount
            balanceAfter
            reason {
              code
              title
            }
          }
          ... on Charge {
            refunded
            net
          }
          ... on Refund {
            charge {
              id
              refunded
              net
            }
          }
        }
      }
      account {
        id
        balance
      }
    }
  }
`;
