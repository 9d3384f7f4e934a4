/** What every part of the page shares: the model, the customer's format, and how the host wants it. */
import { createContext } from 'preact';
import { useContext, useEffect, useLayoutEffect, useReducer, useState } from 'preact/hooks';
import type { UsageModel } from '../data/model';
import type { Format } from '../text/format';

export interface Shared {
  readonly model: UsageModel;
  readonly format: Format;
  /** Says something in passing, on screen and to a screen reader. */
  readonly say: (text: string) => void;
  /** The address that opens one line. */
  readonly linkTo: (entryId: string) => string;
}

export const SharedContext = createContext<Shared | null>(null);

export function useShared(): Shared {
  const shared = useContext(SharedContext);
  if (!shared) throw new Error('no shared context');
  return shared;
}

/** Draws again whenever the model changes. */
export function useModel(model: UsageModel): void {
  const [, redraw] = useReducer<number, undefined>((count) => count + 1, 0);
  // Before anything can be answered: a change that nobody heard would leave the page as it was.
  useLayoutEffect(() => model.subscribe(() => redraw(undefined)), [model]);
}

/** The current time, anew every so often. */
export function useNow(every_ms: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every_ms);
    return () => clearInterval(timer);
  }, [every_ms]);
  return now;
}
