/** The audits of GraphQL over HTTP (npm graphql-http) against the server under test: a line of JSON per audit. */
import { auditServer } from 'graphql-http';

const authorization = `Bearer ${process.env.FEED_TOKEN}`;
const fetchFn = (url, init = {}) => fetch(url, { ...init, headers: { ...init.headers, authorization } });

for (const { id, name, status, reason } of await auditServer({ url: process.env.FEED_URL, fetchFn })) {
  console.log(JSON.stringify({ id, name, status, reason }));
}
