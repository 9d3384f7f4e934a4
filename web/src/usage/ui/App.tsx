/** The whole page in each of its states. Owns the keyboard and what is announced. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Edge } from '../data/lines';
import type { UsageModel } from '../data/model';
import { DEFAULT_VIEW, isFiltered, kindOf } from '../data/view';
import { formatFor, type Format } from '../text/format';
import { strings } from '../text/strings';
import { Breakdown } from './Breakdown';
import { Chart } from './Chart';
import { SharedContext, useModel, useShared } from './context';
import { Chips, Filters } from './Filters';
import { Help } from './Help';
import { Icon, type IconName } from './icons';
import { Lines, type Keys } from './Lines';
import { Header, Strip } from './Summary';
import { titleOf } from './words';

const ANNOUNCE_EVERY_MS = 4_000;
const SAY_MS = 4_000;

export interface AppProps {
  readonly model: UsageModel;
  readonly locale: string | undefined;
  readonly linkTo: (entryId: string) => string;
  /** Where keys are listened for: the document on a page of our own, else the element. */
  readonly keyTarget: EventTarget;
}

export function App({ model, locale, linkTo, keyTarget }: AppProps): JSX.Element {
  useModel(model);
  const [said, setSaid] = useState('');
  const { account, zone } = model;
  const format = useMemo(() => account && formatFor(locale, zone, account), [locale, zone, account]);
  useEffect(() => {
    const timer = setTimeout(() => setSaid(''), SAY_MS);
    return () => clearTimeout(timer);
  }, [said]);
  useEffect(() => {
    if (model.targetMissing) setSaid(strings.state.lineMissing);
  }, [model.targetMissing]);
  const shared = useMemo(() => format && { model, format, say: setSaid, linkTo }, [model, format, linkTo]);
  return (
    <div class="app">
      {shared && model.phase === 'ready' ? (
        <SharedContext.Provider value={shared}>
          <Page keyTarget={keyTarget} />
          <Announcer landed={model.landed} format={shared.format} balance={model.balance} />
        </SharedContext.Provider>
      ) : (
        <Outside model={model} />
      )}
      <p class={said ? 'toast shown' : 'toast'} role="status">
        {said}
      </p>
    </div>
  );
}

function Page({ keyTarget }: { keyTarget: EventTarget }): JSX.Element {
  const { model } = useShared();
  const keys = useRef<Keys | null>(null);
  const root = useRef<HTMLDivElement>(null);
  const [help, setHelp] = useState(false);
  useEffect(() => {
    const press = (event: Event): void => {
      const { key, ctrlKey, metaKey, altKey } = event as KeyboardEvent;
      if (ctrlKey || metaKey || altKey) return;
      const from = event.composedPath()[0];
      if (from instanceof Element && from.matches('input, select, textarea')) return;
      const search = root.current?.querySelector<HTMLInputElement>('input[type=search]');
      if (key === 'j') keys.current?.move(1);
      else if (key === 'k') keys.current?.move(-1);
      else if (key === '/') search?.focus();
      else if (key === '?') setHelp(true);
      else if (key !== 'Escape' || !keys.current?.close()) return;
      event.preventDefault();
    };
    keyTarget.addEventListener('keydown', press);
    return () => keyTarget.removeEventListener('keydown', press);
  }, [keyTarget]);
  const feed = model.feed;
  const empty =
    feed?.loading !== 'first' && feed?.edges.length === 0 && feed.pending.length === 0 && !feed.error;
  return (
    <div ref={root}>
      <Header />
      <Strip />
      <div class="middle">
        <Chart />
        <Breakdown />
      </div>
      <Filters />
      <Chips />
      {empty ? <Nothing /> : <Lines keys={keys} />}
      <button type="button" class="plain keys" onClick={() => setHelp(true)}>
        {strings.help.button}
      </button>
      {help && <Help onClose={() => setHelp(false)} />}
    </div>
  );
}

/** Why the list is empty: a new account, a quiet period, or filters that fit nothing. */
function Nothing(): JSX.Element {
  const { model } = useShared();
  const { view, summary } = model;
  const { empty, emptyPeriod, noMatch } = strings.state;
  if (isFiltered(view)) {
    return (
      <State icon="search" {...noMatch}>
        <button type="button" class="button" onClick={() => model.clearFilters()}>
          {strings.filter.clear}
        </button>
      </State>
    );
  }
  const untouched =
    model.balance === 0 && summary?.totals?.opening === 0 && view.period === DEFAULT_VIEW.period;
  return <State icon="clock" {...(untouched ? empty : emptyPeriod)} />;
}

/** The page without an account: loading, signed out, not found, or failed. */
function Outside({ model }: { model: UsageModel }): JSX.Element {
  const { state } = strings;
  switch (model.phase) {
    case 'signed-out':
      return <State icon="lock" {...state.signedOut} />;
    case 'missing':
      return <State icon="lock" {...state.missing} />;
    case 'failed':
      if (!navigator.onLine) return <State icon="warn" {...state.offline} />;
      return (
        <State icon="warn" {...state.failed}>
          <button type="button" class="button" onClick={() => void model.start()}>
            {state.failed.action}
          </button>
        </State>
      );
    default:
      return <Skeleton />;
  }
}

function State(props: { icon: IconName; title: string; text: string; children?: JSX.Element }): JSX.Element {
  return (
    <section class="card state" role="status">
      <span class="mark">
        <Icon name={props.icon} size={22} />
      </span>
      <h2>{props.title}</h2>
      <p>{props.text}</p>
      {props.children}
    </section>
  );
}

function Skeleton(): JSX.Element {
  return (
    <div class="loading" role="status" aria-label={strings.state.loading}>
      <div class="top">
        <div class="skeleton" />
      </div>
      <div class="card strip skeleton" />
      <div class="middle">
        <div class="card chart skeleton" />
        <div class="card breakdown skeleton" />
      </div>
      <div class="card lines">
        {Array.from({ length: 8 }, (_, index) => (
          <div key={index} class="skeleton" />
        ))}
      </div>
    </div>
  );
}

/** Tells a screen reader what landed: one line in full, several as a count, never in a torrent. */
function Announcer({
  landed,
  format,
  balance,
}: {
  landed: readonly Edge[];
  format: Format;
  balance: number;
}): JSX.Element {
  const [words, setWords] = useState('');
  const waiting = useRef<Edge[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const last = useRef(0);
  const now = useRef(balance);
  now.current = balance;
  useEffect(() => {
    if (landed.length === 0) return;
    waiting.current.push(...landed);
    clearTimeout(timer.current);
    const pause_ms = Math.max(200, last.current + ANNOUNCE_EVERY_MS - Date.now());
    timer.current = setTimeout(() => {
      const lines = waiting.current.splice(0);
      const only = lines.length === 1 ? lines[0]?.node : undefined;
      last.current = Date.now();
      setWords(
        only
          ? strings.announce.one(
              `${strings.kind[kindOf(only)]}, ${titleOf(only)}`,
              format.signed(only.amount),
              format.plain(now.current),
            )
          : strings.announce.many(lines.length, format.plain(now.current)),
      );
    }, pause_ms);
  }, [landed]);
  return (
    <p class="unseen" aria-live="polite">
      {words}
    </p>
  );
}
