// Mercurius with its default in-memory emitter: hears the ledger's bell, reads the new lines of all
// accounts that rang in one query, and publishes each. `node mercurius.js DSN` prints its address.
import fastify from 'fastify'
import mercurius from 'mercurius'
import pg from 'pg'

const schema = `
  scalar Credits
  scalar DateTime
  enum EntryKind { CHARGE REFUND GRANT ADJUSTMENT }
  enum Fault { PLATFORM PROVIDER CUSTOMER NONE }
  type Reason { code: String! title: String! detail: String fault: Fault! }
  interface LedgerEntry { ${fields()} }
  type Charge implements LedgerEntry { ${fields()} }
  type Refund implements LedgerEntry { ${fields()} }
  type Grant implements LedgerEntry { ${fields()} }
  type Adjustment implements LedgerEntry { ${fields()} }
  union UsageEntry = Charge | Refund | Grant | Adjustment
  type UsageEdge { cursor: String! node: UsageEntry! }
  type Account { id: ID! balance: Credits! }
  type UsageLanded { edge: UsageEdge! account: Account! }
  type Query { hello: String }
  type Subscription { usageEntryLanded(account: ID!): UsageLanded! }
`
const lines = `
  select e.account_id, e.seq, e.kind, e.amount, e.balance_after, e.detail, e.campaign,
    e.recorded_at, r.code, r.title, r.fault
  from unnest($1::bigint[], $2::int[]) w(account_id, seq)
  join entry e on e.account_id = w.account_id and e.seq > w.seq
  join reason r on r.code = e.reason_code order by e.account_id, e.seq`

function fields () {
  return `id: ID! seq: Int! kind: EntryKind! amount: Credits! balanceAfter: Credits!
    reason: Reason! campaign: String recordedAt: DateTime!`
}

const encoded = text => Buffer.from(text).toString('base64')

function landed (row) {
  const { code, title, detail, fault, kind, campaign, seq } = row
  const node = {
    __typename: kind[0] + kind.slice(1).toLowerCase(),
    id: encoded(`Entry:${row.account_id}:${seq}`),
    seq,
    kind,
    amount: +row.amount,
    balanceAfter: +row.balance_after,
    reason: { code, title, detail, fault },
    campaign,
    recordedAt: row.recorded_at
  }
  const account = { id: encoded(`Account:${row.account_id}`), balance: +row.balance_after }
  return { edge: { cursor: encoded(`seq:${seq}`), node }, account }
}

const app = fastify()
await app.register(mercurius, {
  schema,
  resolvers: {
    Subscription: {
      usageEntryLanded: {
        subscribe: (_, { account }, { pubsub }) => pubsub.subscribe(account)
      }
    }
  },
  subscription: true
})

const connectionString = process.argv[2]
// Timestamps as PostgreSQL writes them: a Date holds no microseconds.
const instant = text => text.replace(' ', 'T').replace(/(\.\d+)?\+00$/, part =>
  (part.replace('+00', '') || '.').padEnd(7, '0') + 'Z')
const types = { getTypeParser: (oid, format) => oid === 1184 ? instant : pg.types.getTypeParser(oid, format) }
const reader = new pg.Client({ connectionString, types, options: '-c timezone=UTC' })
const listener = new pg.Client({ connectionString })
await Promise.all([reader.connect(), listener.connect()])
const known = await reader.query('select id, last_seq from account')
const seen = new Map(known.rows.map(row => [row.id, row.last_seq]))
let rung = new Set()
let reading = false

async function read () {
  if (reading) return
  reading = true
  while (rung.size) {
    const accounts = [...rung]
    rung = new Set()
    const seqs = accounts.map(account => seen.get(account) ?? 0)
    for (const row of (await reader.query({ name: 'lines', text: lines, values: [accounts, seqs] })).rows) {
      seen.set(row.account_id, row.seq)
      const event = landed(row)
      app.graphql.pubsub.publish({ topic: event.account.id, payload: { usageEntryLanded: event } })
    }
  }
  reading = false
}

listener.on('notification', ({ payload }) => {
  for (const account of payload.split(' ')) rung.add(account)
  read()
})
await listener.query('listen usage_feed')
console.log(await app.listen({ port: 0, host: '127.0.0.1' }))
