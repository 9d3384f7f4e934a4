/**
 * One subscription over one WebSocket, in the graphql-transport-ws protocol. Written out because the
 * page needs a fifth of what the protocol's own client library brings, and pays for every byte of it.
 * Owns noticing a dead connection. Does not reconnect.
 */

const ACK_WITHIN_MS = 10_000;
const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 5_000;

/** How a subscription ended: a close code, the server's errors, or its word that it is complete. */
export type Ending = { code: number } | { errors: unknown } | 'complete';

export interface Subscribing {
  readonly url: string;
  readonly authorization: string;
  readonly query: string;
  readonly variables: unknown;
  readonly webSocket: typeof WebSocket;
  readonly onConnected: () => void;
  readonly onNext: (result: { data?: unknown; errors?: unknown }) => void;
  readonly onEnd: (ending: Ending) => void;
}

interface Message {
  type: string;
  payload?: unknown;
}

/** Opens a socket and subscribes; `onEnd` is called once. Returns what drops the connection at once. */
export function subscribe(options: Subscribing): () => void {
  const socket = new options.webSocket(options.url, 'graphql-transport-ws');
  const send = (type: string, rest: object = {}): void => socket.send(JSON.stringify({ type, ...rest }));
  let ended = false;
  let deadline: ReturnType<typeof setTimeout>;
  const end = (ending: Ending): void => {
    if (ended) return;
    ended = true;
    clearTimeout(deadline);
    clearInterval(beat);
    socket.close(1000);
    options.onEnd(ending);
  };
  // A socket whose other side is gone may stay open for minutes: silence is an end as well.
  const expectWithin = (time_ms: number): void => {
    clearTimeout(deadline);
    deadline = setTimeout(() => end({ code: 0 }), time_ms);
  };
  const beat = setInterval(() => {
    if (socket.readyState !== socket.OPEN) return;
    send('ping');
    expectWithin(PONG_WITHIN_MS);
  }, PING_EVERY_MS);
  expectWithin(ACK_WITHIN_MS);

  const react: Record<string, (message: Message) => void> = {
    connection_ack: () => {
      clearTimeout(deadline);
      options.onConnected();
      send('subscribe', { id: '1', payload: { query: options.query, variables: options.variables } });
    },
    ping: () => send('pong'),
    pong: () => clearTimeout(deadline),
    next: ({ payload }) => options.onNext(payload as object),
    error: ({ payload }) => end({ errors: payload }),
    complete: () => end('complete'),
  };
  socket.onopen = () => send('connection_init', { payload: { authorization: options.authorization } });
  socket.onclose = ({ code }) => end({ code });
  socket.onmessage = ({ data }) => {
    if (ended) return;
    const message = JSON.parse(String(data)) as Message;
    react[message.type]?.(message);
  };
  return () => end({ code: 0 });
}
