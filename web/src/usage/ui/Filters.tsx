/** What narrows the feed, and the chips that undo it. The server does the filtering. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { isFiltered, KINDS, type View } from '../data/view';
import { strings } from '../text/strings';
import { useShared } from './context';
import { Icon } from './icons';
import { Select } from './Summary';

const TYPING_MS = 300;

export function Filters(): JSX.Element {
  const { model } = useShared();
  const { kinds } = model.view;
  return (
    <div class="filters" role="group" aria-label={strings.filter.group}>
      <div class="kinds">
        <button type="button" aria-pressed={kinds.length === 0} onClick={() => model.setView({ kinds: [] })}>
          {strings.allKinds}
        </button>
        {KINDS.map((kind) => (
          <button
            key={kind}
            type="button"
            aria-pressed={kinds.includes(kind)}
            onClick={() =>
              model.setView({ kinds: KINDS.filter((one) => kinds.includes(one) !== (one === kind)) })
            }
          >
            {strings.kinds[kind]}
          </button>
        ))}
      </div>
      <CampaignSelect />
      <ReasonSelect />
      <Search />
    </div>
  );
}

function CampaignSelect(): JSX.Element {
  const { model } = useShared();
  const found = (model.summary?.details?.byCampaign ?? []).map(({ campaign }) => campaign);
  const { campaign } = strings.filter;
  return (
    <Choice name="campaign" label={campaign} any={strings.filter.anyCampaign} found={found} title={String} />
  );
}

/** What a reason's code is called, as far as the period's statement tells. */
function useReasonTitle(): (code: string) => string {
  const { details } = useShared().model.summary ?? {};
  return (code) => details?.byReason.find(({ reason }) => reason.code === code)?.reason.title ?? code;
}

function ReasonSelect(): JSX.Element {
  const { model } = useShared();
  const found = (model.summary?.details?.byReason ?? []).map(({ reason }) => reason.code);
  const { reason, anyReason } = strings.filter;
  return <Choice name="reasonCode" label={reason} any={anyReason} found={found} title={useReasonTitle()} />;
}

function Choice(props: {
  name: 'campaign' | 'reasonCode';
  label: string;
  any: string;
  found: (string | null)[];
  title: (value: string) => string;
}): JSX.Element {
  const { model } = useShared();
  const chosen = model.view[props.name];
  // A choice stays in the list though the period has no line of it.
  const values = [...new Set([...props.found, chosen])].filter((value) => value !== null);
  return (
    <Select
      label={props.label}
      value={chosen ?? ''}
      onChange={(value) => model.setView({ [props.name]: value || null })}
    >
      <option value="">{props.any}</option>
      {values.sort().map((value) => (
        <option key={value} value={value}>
          {props.title(value)}
        </option>
      ))}
    </Select>
  );
}

function Search(): JSX.Element {
  const { model } = useShared();
  const [text, setText] = useState(model.view.search);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => setText(model.view.search), [model.view.search]);
  const commit = (search: string): void => {
    clearTimeout(timer.current);
    if (search.trim() !== model.view.search) model.setView({ search: search.trim() });
  };
  return (
    <label class="search">
      <Icon name="search" size={14} />
      <input
        type="search"
        maxLength={255}
        aria-label={strings.filter.search}
        aria-keyshortcuts="/"
        placeholder={strings.filter.search}
        value={text}
        onInput={(event) => {
          const { value } = event.currentTarget;
          setText(value);
          clearTimeout(timer.current);
          timer.current = setTimeout(() => commit(value), TYPING_MS);
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter') commit(text);
          if (event.key !== 'Escape') return;
          event.stopPropagation();
          setText('');
          commit('');
          event.currentTarget.blur();
        }}
      />
    </label>
  );
}

export function Chips(): JSX.Element | null {
  const { model } = useShared();
  const { view } = model;
  const reasonTitle = useReasonTitle();
  if (!isFiltered(view)) return null;
  const { chip } = strings.filter;
  const chips: [string, string, Partial<View>][] = view.kinds.map((kind) => [
    chip.kind,
    strings.kinds[kind],
    { kinds: view.kinds.filter((one) => one !== kind) },
  ]);
  if (view.campaign !== null) chips.push([chip.campaign, view.campaign, { campaign: null }]);
  if (view.reasonCode !== null) chips.push([chip.reason, reasonTitle(view.reasonCode), { reasonCode: null }]);
  if (view.search) chips.push([chip.search, view.search, { search: '' }]);
  return (
    <ul class="chips">
      {chips.map(([name, value, without]) => (
        <li key={name + value}>
          <button
            type="button"
            class="chip"
            aria-label={strings.filter.remove(`${name}: ${value}`)}
            onClick={() => model.setView(without)}
          >
            <span class="name">{name}</span> {value} <Icon name="close" size={12} />
          </button>
        </li>
      ))}
      <li>
        <button type="button" class="plain" onClick={() => model.clearFilters()}>
          {strings.filter.clear}
        </button>
      </li>
    </ul>
  );
}
