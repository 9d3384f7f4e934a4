/**
 * `<usage-feed>`: the whole usage page as one element with a shadow root.
 * Owns the attributes and properties a host page sets, and the events it hears. Leaves the host's address alone.
 */
import { render } from 'preact';
import type { Subscription } from './data/live';
import { UsageModel } from './data/model';
import { Credential, Transport } from './data/transport';
import { DEFAULT_VIEW, type View } from './data/view';
import baseCss from './styles/base.css?inline';
import feedCss from './styles/feed.css?inline';
import summaryCss from './styles/summary.css?inline';
import { App } from './ui/App';

const OBSERVED = ['endpoint', 'account', 'token', 'entry', 'subscription', 'locale'];
const SUBSCRIPTIONS: readonly Subscription[] = ['usageEntryLanded', 'refundLanded'];

let sheets: CSSStyleSheet[] | undefined;

function styles(): CSSStyleSheet[] {
  sheets ??= [baseCss, summaryCss, feedCss].map((text) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    return sheet;
  });
  return sheets;
}

export class UsageFeedElement extends HTMLElement {
  static readonly observedAttributes = OBSERVED;

  private model: UsageModel | null = null;
  private credential: Credential | null = null;
  private refresh: (() => Promise<string | null>) | null = null;
  private shown: View = DEFAULT_VIEW;
  private starting = false;
  private leaving: AbortController | null = null;

  /** Called when the token is refused: resolves to a new one, or to null to sign out. */
  get refreshToken(): (() => Promise<string | null>) | null {
    return this.refresh;
  }
  set refreshToken(refresh: (() => Promise<string | null>) | null) {
    this.refresh = refresh;
  }

  /** The customer's token. Kept out of the address and out of the server's logs: it goes in headers. */
  get token(): string | null {
    return this.getAttribute('token');
  }
  set token(token: string | null) {
    if (token === null) this.removeAttribute('token');
    else this.setAttribute('token', token);
  }

  /** Period, zone and filters; a `viewchange` event tells when the customer changes them. */
  get view(): View {
    return this.shown;
  }
  set view(view: View) {
    // A host that keeps what `viewchange` told it hands the same one back.
    if (view === this.shown) return;
    this.shown = view;
    this.model?.showView(view);
  }

  connectedCallback(): void {
    // A property set before the element was defined would hide the accessor.
    for (const name of ['token', 'refreshToken', 'view'] as const) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete (this as Record<string, unknown>)[name];
      Object.assign(this, { [name]: value });
    }
    if (!this.shadowRoot) this.attachShadow({ mode: 'open' }).adoptedStyleSheets = styles();
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    const model = (): UsageModel | null => this.model;
    window.addEventListener('online', () => model()?.setOnline(true), { signal });
    window.addEventListener('offline', () => model()?.setOnline(false), { signal });
    document.addEventListener('visibilitychange', () => document.hidden || model()?.resume(), { signal });
    this.restart();
  }

  disconnectedCallback(): void {
    this.leaving?.abort();
    this.model?.stop();
    this.model = null;
    if (this.shadowRoot) render(null, this.shadowRoot);
  }

  attributeChangedCallback(name: string, before: string | null, value: string | null): void {
    if (!this.isConnected || before === value) return;
    const alive = this.model && this.model.phase !== 'signed-out';
    if (name === 'token' && this.credential && alive) this.credential.token = value;
    else if (name === 'entry' && alive && value !== null) void this.model?.openEntry(value);
    else this.restart();
  }

  /** Once for all attributes that a host sets together. */
  private restart(): void {
    if (this.starting) return;
    this.starting = true;
    queueMicrotask(() => {
      this.starting = false;
      if (this.isConnected) this.open();
    });
  }

  private open(): void {
    this.model?.stop();
    const endpoint = new URL(this.getAttribute('endpoint') ?? '/graphql', document.baseURI);
    this.credential = new Credential(this.token, () => this.refresh?.() ?? Promise.resolve(null));
    const named = this.getAttribute('subscription') as Subscription;
    const model = new UsageModel({
      transport: new Transport(endpoint, this.credential),
      account: this.getAttribute('account'),
      subscription: SUBSCRIPTIONS.includes(named) ? named : 'usageEntryLanded',
      view: this.shown,
      onView: (view) => {
        this.shown = view;
        this.emit('viewchange', view);
      },
    });
    model.subscribe(() => this.tell(model));
    this.model = model;
    void model.start(this.getAttribute('entry'));
    this.draw();
  }

  private draw(): void {
    if (!this.model || !this.shadowRoot) return;
    const locale = this.getAttribute('locale') ?? undefined;
    const keyTarget = this.getAttribute('keys') === 'page' ? document : this;
    render(
      <App key={this.model} model={this.model} locale={locale} linkTo={linkTo} keyTarget={keyTarget} />,
      this.shadowRoot,
    );
  }

  /** A host may want to show its own way to sign in. */
  private tell(model: UsageModel): void {
    if (this.dataset['phase'] === model.phase) return;
    this.dataset['phase'] = model.phase;
    if (model.phase === 'signed-out') this.emit('signedout');
  }

  private emit(name: string, detail?: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, composed: true, detail }));
  }
}

/** The host's own address with `#entry=`: what it puts there, it sets as the `entry` attribute. */
function linkTo(entryId: string): string {
  const url = new URL(location.href);
  url.search = '';
  url.hash = new URLSearchParams({ entry: entryId }).toString();
  return url.href;
}

if (!customElements.get('usage-feed')) customElements.define('usage-feed', UsageFeedElement);
