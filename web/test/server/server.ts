/**
 * The test ledger behind real sockets: GraphQL over HTTP and WebSocket, and the built files under the
 * policy the product serves them with. Owns the credentials of tests. Not the product's server.
 */
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { buildSchema, GraphQLError, type GraphQLSchema } from 'graphql';
import { createHandler } from 'graphql-http/lib/use/http';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { Account, type Line } from './ledger.ts';

const SCHEMA_FILE =
  process.env['USAGE_FEED_SCHEMA'] ?? new URL('../../../schema/schema.graphql', import.meta.url);
const DIST = new URL('../../dist/', import.meta.url);
const TYPES: Record<string, string> = {
  html: 'text/html',
  js: 'text/javascript',
  css: 'text/css',
  svg: 'image/svg+xml',
  ttf: 'font/ttf',
};
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const GRAPHIQL_POLICY = POLICY.replace(
  "style-src 'self'",
  "style-src 'self' 'unsafe-inline'; font-src 'self' data:; worker-src 'self'",
);

type Context = Record<string, unknown> & { account: Account };

export class TestServer {
  readonly accounts = new Map<string, Account>();
  /** Every token accepted now, with the account it speaks for. */
  readonly tokens = new Map<string, Account>();
  /** What arrived over HTTP, by operation name: tests count them. */
  readonly operations: string[] = [];
  /** When set, HTTP operations are answered with 503. */
  failing = false;
  /** Milliseconds every HTTP answer waits. */
  delay_ms = 0;
  private server: Server | undefined;
  private sockets = new Set<Socket>();
  private port = 0;

  open(key: string, name: string, options: ConstructorParameters<typeof Account>[2] = {}): Account {
    const account = new Account(key, name, options);
    this.accounts.set(account.id, account);
    this.tokens.set(`token-of-${key}`, account);
    return account;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Listens; a second call after `stop` takes the same port again, as a restarted server does. */
  async start(): Promise<void> {
    const schema = buildSchema(await readFile(SCHEMA_FILE, 'utf8'));
    const http = createHandler<Context>({
      schema,
      rootValue: this.root(),
      context: (request) => ({ account: this.authorize(request.raw as IncomingMessage) as Account }),
      onSubscribe: (_request, parameters) => void this.operations.push(parameters.operationName ?? ''),
    });
    this.server = createServer((request, response) => void this.respond(http, request, response));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    this.serveSockets(schema);
    await new Promise<void>((resolve) => this.server?.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
  }

  /** Drops every open connection at once, as a lost network does. */
  drop(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server?.close(resolve));
    this.drop();
    await closed;
  }

  private serveSockets(schema: GraphQLSchema): void {
    const sockets = new WebSocketServer({ noServer: true });
    useServer<{ authorization?: string }>(
      {
        schema,
        roots: { subscription: this.root() as Record<string, never> },
        onConnect: ({ connectionParams }) => this.tokens.has(bare(connectionParams?.authorization)),
        context: ({ connectionParams }) => ({
          account: this.tokens.get(bare(connectionParams?.authorization)),
        }),
      },
      sockets,
    );
    this.server?.on('upgrade', (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit('connection', opened, request)),
    );
  }

  private authorize(request: IncomingMessage): Account | undefined {
    return this.tokens.get(bare(request.headers.authorization));
  }

  private root(): Record<string, unknown> {
    const own = (context: Context, id: unknown): Account | null =>
      context.account.id === id ? context.account : null;
    const landed = (
      context: Context,
      args: { account: string; since?: string },
      wanted: (line: Line) => boolean,
    ): unknown => {
      const account = own(context, args.account);
      if (!account) throw new GraphQLError('No such account.', { extensions: { code: 'NOT_FOUND' } });
      return (async function* (field): AsyncGenerator<unknown> {
        for await (const event of account.landed(args.since, wanted))
          yield { usageEntryLanded: event, refundLanded: event, field };
      })(args);
    };
    return {
      viewer: (_: unknown, context: Context) => ({ kind: 'CUSTOMER', account: context.account, scopes: [] }),
      account: ({ id }: { id: string }, context: Context) => own(context, id),
      node: ({ id }: { id: string }, context: Context) =>
        context.account.lines.find((line) => line.id === id) ?? null,
      usageEntryLanded: (args: { account: string; since?: string }, context: Context) =>
        landed(context, args, () => true),
      refundLanded: (args: { account: string; since?: string }, context: Context) =>
        landed(context, args, (line) => line.kind === 'REFUND'),
    };
  }

  private async respond(
    graphql: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const path = new URL(request.url ?? '/', this.origin).pathname;
    if (this.delay_ms) await new Promise((resolve) => setTimeout(resolve, this.delay_ms));
    if (path === '/graphql' && request.method === 'POST') {
      if (this.failing) return void response.writeHead(503).end();
      if (this.authorize(request)) return graphql(request, response);
      const error = {
        message: 'The token is missing or not valid.',
        extensions: { code: 'UNAUTHENTICATED' },
      };
      return void response
        .writeHead(401, { 'content-type': 'application/json' })
        .end(JSON.stringify({ errors: [error] }));
    }
    if (path === '/export') return this.export(request, response);
    await serveFile(path, response);
  }

  private export(request: IncomingMessage, response: ServerResponse): void {
    const account = this.authorize(request);
    if (!account) return void response.writeHead(401).end();
    const query = new URL(request.url ?? '/', this.origin).searchParams;
    const { nodes } = account.usage({
      first: 1_000_000,
      filter: { from: query.get('from'), to: query.get('to') },
    }) as { nodes: Line[] };
    const csv = nodes.map((line) => `${line.seq},${line.kind},${line.amount}\r\n`).join('');
    response.writeHead(200, {
      'content-type': 'text/csv',
      'content-disposition': `attachment; filename="usage ${account.key}.csv"`,
    });
    response.end(`seq,kind,amount\r\n${csv}`);
  }
}

const bare = (authorization: string | undefined): string => (authorization ?? '').replace(/^Bearer /i, '');

async function serveFile(path: string, response: ServerResponse): Promise<void> {
  const file = { '/billing/usage': 'usage.html', '/graphql': 'graphiql.html' }[path] ?? path.slice(1);
  try {
    const body = await readFile(new URL(file, DIST));
    response.writeHead(200, {
      'content-type': TYPES[file.split('.').at(-1) ?? ''] ?? 'application/octet-stream',
      'content-security-policy': path === '/graphql' ? GRAPHIQL_POLICY : POLICY,
    });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
}
