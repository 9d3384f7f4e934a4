/** @jsxImportSource react */
/**
 * GraphiQL as the server offers it to a browser at /graphql: bundled, offline, strict CSP.
 * Owns the editor's first content and how its requests carry the credential. Does not own the API.
 */
import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './page.css';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { createGraphiQLFetcher, type Fetcher } from '@graphiql/toolkit';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { createClient, type Client } from 'graphql-ws';
import { createRoot } from 'react-dom/client';
import { takeToken } from '../token';
import { exampleTabs } from './examples';

const url = new URL(location.pathname, location.origin);
const socketUrl = new URL(url);
socketUrl.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';

let socket: { authorization: string; client: Client } | undefined;

/** One socket per credential: a connection speaks for whoever opened it. */
function socketFor(headers: Record<string, string>): Client {
  const authorization =
    Object.entries(headers).find(([name]) => name.toLowerCase() === 'authorization')?.[1] ?? '';
  if (socket?.authorization !== authorization) {
    void socket?.client.dispose();
    const client = createClient({
      url: socketUrl.href,
      connectionParams: { authorization },
      lazyCloseTimeout: 5_000,
    });
    socket = { authorization, client };
  }
  return socket.client;
}

const token = takeToken();
const authorization = `Bearer ${token ?? '<a token from ./dev token>'}`;
const headers = JSON.stringify({ authorization }, null, 2);

/** The schema is asked for before the headers editor exists: the page's own token serves until then. */
const fetcher: Fetcher = (operation, options) => {
  const sent: Record<string, string> = options?.headers ?? (token === null ? {} : { authorization });
  const send = createGraphiQLFetcher({ url: url.href, wsClient: socketFor(sent) });
  return send(operation, { ...options, headers: sent });
};

const root = document.getElementById('root');
if (root === null) throw new Error('the page has no #root');
createRoot(root).render(
  <GraphiQL
    fetcher={fetcher}
    plugins={[HISTORY_PLUGIN, explorerPlugin({ showAttribution: false })]}
    defaultTabs={exampleTabs(headers, new Date())}
    defaultHeaders={headers}
    initialHeaders={headers}
    defaultEditorToolsVisibility={token === null ? 'headers' : true}
    shouldPersistHeaders={false}
    showPersistHeadersSettings={false}
  />,
);
