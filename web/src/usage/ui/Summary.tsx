/** The top of the page: balance, connection, period and zone, export, and the sum that must come out. */
import type { JSX, TargetedMouseEvent } from 'preact';
import { useState } from 'preact/hooks';
import type { EntryKind } from '../data/generated';
import type { Totals } from '../data/summary';
import type { ZoneChoice } from '../data/view';
import { PRESETS, type Period, type Preset } from '../text/period';
import { strings } from '../text/strings';
import { localZone } from '../text/zones';
import { useShared } from './context';
import { exportFile } from './export';
import { Icon } from './icons';

export function Header(): JSX.Element {
  const { model, format } = useShared();
  const { account, connection, liveUntil } = model;
  const words = strings.connection(connection, liveUntil === null ? null : format.time(liveUntil));
  return (
    <header class="top">
      <div class="balance">
        <p class="label" id="balance-label">
          {strings.balance}
          <span class={`connection ${connection}`} role="status">
            {words}
          </span>
        </p>
        <p class="figure" aria-labelledby="balance-label">
          <span class="number">{format.plain(model.balance)}</span> <span class="unit">{account?.unit}</span>
        </p>
        <p class="owner">{account?.name}</p>
      </div>
      <div class="controls">
        <PeriodChoice />
        <ZoneSelect />
        <ExportMenu />
        <p class="range">
          {format.range(model.range.first, model.range.last)} <span class="zone">{format.zone}</span>
        </p>
      </div>
    </header>
  );
}

function PeriodChoice(): JSX.Element {
  const { model } = useShared();
  const { period } = model.view;
  const choose = (value: string): void => {
    const { first, last } = model.range;
    model.setView({
      period: value === 'custom' ? { preset: 'custom', first, last } : { preset: value as Preset },
    });
  };
  return (
    <>
      <Select label={strings.period.label} value={period.preset} onChange={choose}>
        {[...PRESETS, 'custom' as const].map((preset) => (
          <option key={preset} value={preset}>
            {strings.period[preset]}
          </option>
        ))}
      </Select>
      {period.preset === 'custom' && <CustomDates period={period} />}
    </>
  );
}

function CustomDates({ period }: { period: Extract<Period, { preset: 'custom' }> }): JSX.Element {
  const { model } = useShared();
  const set = (change: { first?: string; last?: string }): void => {
    const next = { ...period, ...change };
    if (next.first && next.last && next.first <= next.last) model.setView({ period: next });
  };
  return (
    <span class="dates">
      <input
        type="date"
        aria-label={strings.period.first}
        value={period.first}
        max={period.last}
        onChange={(event) => set({ first: event.currentTarget.value })}
      />
      <span aria-hidden="true">–</span>
      <input
        type="date"
        aria-label={strings.period.last}
        value={period.last}
        min={period.first}
        onChange={(event) => set({ last: event.currentTarget.value })}
      />
    </span>
  );
}

function ZoneSelect(): JSX.Element {
  const { model } = useShared();
  const names: Record<ZoneChoice, string> = {
    account: model.account?.timeZone ?? 'UTC',
    local: localZone(),
    utc: 'UTC',
  };
  return (
    <Select
      label={strings.zone.label}
      value={model.view.zone}
      onChange={(zone) => model.setView({ zone: zone as ZoneChoice })}
    >
      {(Object.keys(names) as ZoneChoice[]).map((choice) => (
        <option key={choice} value={choice}>
          {strings.zone[choice](names[choice])}
        </option>
      ))}
    </Select>
  );
}

export function Select(props: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  children: JSX.Element | JSX.Element[] | (JSX.Element | JSX.Element[])[];
}): JSX.Element {
  return (
    <span class="select">
      <select
        aria-label={props.label}
        value={props.value}
        onChange={(event) => props.onChange(event.currentTarget.value)}
      >
        {props.children}
      </select>
      <Icon name="chevron" size={12} />
    </span>
  );
}

function ExportMenu(): JSX.Element {
  const { model, say } = useShared();
  const [running, setRunning] = useState(false);
  const save = async (event: TargetedMouseEvent<HTMLButtonElement>, form: 'csv' | 'jsonl'): Promise<void> => {
    event.currentTarget.closest('details')?.removeAttribute('open');
    setRunning(true);
    say(strings.export.running);
    await exportFile(model, form).catch(() => say(strings.export.failed));
    setRunning(false);
  };
  return (
    <details class="menu">
      <summary class="button" aria-busy={running}>
        <Icon name="download" size={14} />
        {strings.export.button}
      </summary>
      <div class="sheet">
        <button type="button" onClick={(event) => void save(event, 'csv')}>
          {strings.export.csv}
        </button>
        <button type="button" onClick={(event) => void save(event, 'jsonl')}>
          {strings.export.jsonl}
        </button>
      </div>
    </details>
  );
}

type Term = 'opening' | 'granted' | 'charged' | 'refunded' | 'adjusted' | 'closing';
const TERMS: readonly [Term, string, EntryKind | null][] = [
  ['opening', '', null],
  ['granted', '+', 'GRANT'],
  ['charged', '\u2212', 'CHARGE'],
  ['refunded', '+', 'REFUND'],
  ['adjusted', '±', 'ADJUSTMENT'],
  ['closing', '=', null],
];

/** opening + granted − charged + refunded ± adjusted = closing; each term shows its lines. */
export function Strip(): JSX.Element {
  const { model, format } = useShared();
  const totals = model.summary?.totals;
  if (!totals)
    return model.summary?.error ? (
      <p class="card problem">{strings.strip.failed}</p>
    ) : (
      <div class="card strip skeleton" />
    );
  const signOf = (term: Term, sign: string): string =>
    term === 'adjusted' ? (totals.adjusted < 0 ? '\u2212' : '+') : sign;
  return (
    <section class={`card strip ${model.summary?.loading ? 'stale' : ''}`} aria-label={strings.strip.title}>
      <div class="terms">
        {TERMS.map(([term, sign, kind]) => (
          <button
            key={term}
            type="button"
            class={`term ${term}`}
            title={kind ? strings.strip.filterBy(strings.strip[term]) : undefined}
            aria-pressed={kind ? model.view.kinds.includes(kind) : undefined}
            onClick={() => model.setView({ kinds: kind && !model.view.kinds.includes(kind) ? [kind] : [] })}
          >
            <span class="sign">{signOf(term, sign)}</span>
            <span class="name">{strings.strip[term]}</span>
            <span class="value">
              {format.plain(term === 'adjusted' ? Math.abs(totals[term]) : totals[term])}
            </span>
          </button>
        ))}
      </div>
      <Verdict totals={totals} />
    </section>
  );
}

function Verdict({ totals }: { totals: Totals }): JSX.Element {
  const { model, format } = useShared();
  const unexplained = model.summary?.details?.unexplained;
  const { strip } = strings;
  return (
    <p class="verdict">
      {unexplained === undefined ? (
        <span class="checking">{strip.checking}</span>
      ) : unexplained === 0 ? (
        <span class="good">
          <Icon name="check" size={14} /> {strip.reconciled}
        </span>
      ) : (
        <span class="bad" role="alert">
          <Icon name="warn" size={14} /> {strip.unexplained(format.signed(unexplained))}
        </span>
      )}
      <span class="badge" title={totals.final ? strip.finalHint : strip.openHint}>
        {totals.final ? strip.final : strip.open}
      </span>
    </p>
  );
}
