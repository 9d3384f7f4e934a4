// Mercurius with graphql-jit over one statement with a hand-written join. It checks the customer's token.
import Fastify from "fastify";
import { GraphQLScalarType } from "graphql";
import mercurius from "mercurius";
import { account, accountIdOf } from "./page.mjs";
import { accountKeyOf, claimsOf } from "./tokens.mjs";

const LINE = `id: ID! seq: Int! amount: Credits! balanceAfter: Credits! campaign: String
  occurredAt: DateTime! recordedAt: DateTime! reason: Reason!`;
const schema = `
scalar Credits
scalar DateTime
type Reason { code: String! title: String! detail: String fault: String! }
interface LedgerEntry { ${LINE} }
type Charge implements LedgerEntry { ${LINE} }
type Grant implements LedgerEntry { ${LINE} }
type Adjustment implements LedgerEntry { ${LINE} }
type Refund implements LedgerEntry { ${LINE} automatic: Boolean! charge: Charge! }
union UsageEntry = Charge | Refund | Grant | Adjustment
type PageInfo { hasNextPage: Boolean! endCursor: String }
type UsageEdge { node: UsageEntry! }
type UsageConnection { pageInfo: PageInfo! edges: [UsageEdge!]! }
type Account { balance: Credits! usage(first: Int, after: String): UsageConnection! }
type Query { account(id: ID!): Account }
`;
const asItIs = (name) => new GraphQLScalarType({ name, serialize: (value) => value });
const asDate = (name) => new GraphQLScalarType({ name, serialize: (value) => value.toISOString() });

const app = Fastify();
await app.register(mercurius, {
  schema,
  jit: 1,
  context: async (request) => ({ viewer: await accountIdOf(accountKeyOf(claimsOf(request.headers.authorization))) }),
  graphiql: false,
  resolvers: {
    Credits: asItIs("Credits"),
    DateTime: (process.env.DATES ? asDate : asItIs)("DateTime"),
    Query: { account: (_, { id }, { viewer }) => account(id, viewer) },
    UsageEntry: { resolveType: (line) => line.__typename },
    LedgerEntry: { resolveType: (line) => line.__typename },
  },
});
console.log(await app.listen({ port: 0, host: "127.0.0.1" }));
