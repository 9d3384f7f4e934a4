// The page that is written by hand, as a Node server reads it: the same statement as the Python floor's.
import { readFileSync } from "node:fs";
import pg from "pg";

const PAGE_LINES = 50;
const SEQ_MAX = 2 ** 31 - 1;
const TYPES = { CHARGE: "Charge", REFUND: "Refund", GRANT: "Grant", ADJUSTMENT: "Adjustment" };

pg.types.setTypeParser(pg.types.builtins.INT8, Number);
// Text as it is: a Date, which is what pg makes of it, loses the microseconds and takes longer.
if (!process.env.DATES) pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) => `${text.slice(0, 10)}T${text.slice(11, -3)}Z`);

const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  min: 16,
  max: 16,
  options: "-c plan_cache_mode=force_generic_plan -c jit=off",
});
const text = readFileSync(new URL("../contenders/page.sql", import.meta.url), "utf8");

const encoded = (value) => Buffer.from(value).toString("base64");
const decoded = (value) => Buffer.from(value, "base64").toString();

const accounts = new Map();

/** The id of the account with this key, remembered: it never changes. */
export async function accountIdOf(key) {
  if (key === null) return null;
  if (!accounts.has(key)) {
    const { rows } = await pool.query("select id from account where key = $1", [key]);
    accounts.set(key, rows[0]?.id ?? null);
  }
  return accounts.get(key);
}

/** The page of an account that belongs to the viewer. */
export async function account(globalId, viewer) {
  const accountId = Number(decoded(globalId).replace("Account:", ""));
  if (accountId !== viewer) return null;
  const { rows } = await pool.query({ name: "page", text, values: [accountId, SEQ_MAX] });
  const edges = rows.slice(0, PAGE_LINES).map((row) => ({ node: line(accountId, row) }));
  const endCursor = edges.length ? encoded(`seq:${edges.at(-1).node.seq}`) : null;
  return {
    balance: rows[0].balance,
    usage: { pageInfo: { hasNextPage: rows.length > PAGE_LINES, endCursor }, edges },
  };
}

function line(accountId, row) {
  return {
    __typename: TYPES[row.kind],
    id: encoded(`Entry:${accountId}:${row.seq}`),
    seq: row.seq,
    amount: row.amount,
    balanceAfter: row.balance_after,
    campaign: row.campaign,
    occurredAt: row.occurred_at,
    recordedAt: row.recorded_at,
    reason: { code: row.code, title: row.title, detail: row.detail, fault: row.fault },
    automatic: row.automatic,
    charge: row.charge_seq && { id: encoded(`Entry:${accountId}:${row.charge_seq}`), amount: row.charge_amount },
  };
}
