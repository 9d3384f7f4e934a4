/**
 * Requests over HTTP with the customer's credential. Owns renewing it, once per refusal.
 * Does not retry anything else: the caller shows the failure and offers to.
 */
import type { TypedDocumentString } from './generated';

/** The credential is missing, expired or not accepted, and could not be renewed. */
export class SignedOut extends Error {}
/** No answer came. */
export class Unreachable extends Error {}

const REFUSED = new Set(['UNAUTHENTICATED', 'TOKEN_EXPIRED']);
const TIMEOUT_MS = 20_000;

interface Answer {
  data?: unknown;
  errors?: readonly { message: string; extensions?: { code?: string } }[];
}

export const isRefusal = (errors: unknown): boolean =>
  Array.isArray(errors) &&
  errors.some((error: { extensions?: { code?: string } }) => REFUSED.has(error.extensions?.code ?? ''));

/** A token, and how the host page gets a new one. Concurrent refusals renew it once. */
export class Credential {
  token: string | null;
  private readonly refresh: (() => Promise<string | null>) | null;
  private renewing: Promise<boolean> | null = null;

  constructor(token: string | null, refresh: (() => Promise<string | null>) | null) {
    this.token = token;
    this.refresh = refresh;
  }

  get header(): string {
    return `Bearer ${this.token ?? ''}`;
  }

  /** True when there is a token other than the refused one. */
  async renew(refused: string | null): Promise<boolean> {
    if (this.token !== refused) return true;
    this.renewing ??= this.ask().finally(() => (this.renewing = null));
    return this.renewing;
  }

  private async ask(): Promise<boolean> {
    const token = await this.refresh?.().catch(() => null);
    if (!token || token === this.token) return false;
    this.token = token;
    return true;
  }
}

export class Transport {
  readonly endpoint: URL;
  readonly credential: Credential;

  constructor(endpoint: URL, credential: Credential) {
    this.endpoint = endpoint;
    this.credential = credential;
  }

  get socketUrl(): string {
    const url = new URL(this.endpoint);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    return url.href;
  }

  /**
   * Raises: SignedOut; Unreachable when no answer came; Error with the server's own sentence else.
   */
  async query<T, V>(document: TypedDocumentString<T, V>, variables: V, signal?: AbortSignal): Promise<T> {
    const name = /(?:query|subscription) (\w+)/.exec(String(document))?.[1];
    const body = JSON.stringify({ operationName: name, query: String(document), variables });
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    const response = await this.send(this.endpoint, { method: 'POST', headers, body }, signal);
    const answer = (await response.json().catch(() => ({}))) as Answer;
    const message = answer.errors?.[0]?.message;
    if (message !== undefined) throw new Error(message);
    if (!response.ok || answer.data == null) throw new Unreachable(String(response.status));
    return answer.data as T;
  }

  /** Raises: as `query`. Returns the answered file. */
  async download(url: URL): Promise<Response> {
    const response = await this.send(url, {}, undefined, null);
    if (!response.ok) throw new Unreachable(String(response.status));
    return response;
  }

  private async send(
    url: URL,
    init: RequestInit,
    signal?: AbortSignal,
    timeout_ms: number | null = TIMEOUT_MS,
  ): Promise<Response> {
    const signals = [signal, timeout_ms === null ? undefined : AbortSignal.timeout(timeout_ms)];
    const attempt = async (): Promise<Response> => {
      try {
        return await fetch(url, {
          ...init,
          headers: { ...(init.headers as Record<string, string>), authorization: this.credential.header },
          signal: AbortSignal.any(signals.filter((one) => one !== undefined)),
        });
      } catch (error) {
        if (signal?.aborted) throw error;
        throw new Unreachable('no answer');
      }
    };
    const used = this.credential.token;
    const first = await attempt();
    if (first.status !== 401) return first;
    if (!(await this.credential.renew(used))) throw new SignedOut();
    const second = await attempt();
    if (second.status === 401) throw new SignedOut();
    return second;
  }
}
