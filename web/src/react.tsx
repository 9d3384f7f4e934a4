/** @jsxImportSource react */
/**
 * `<usage-feed>` for React 19, with types. React sets the element's properties and hears its events
 * by itself: this only names them. Owns nothing else.
 */
import type { CSSProperties, DetailedHTMLProps, HTMLAttributes, JSX } from 'react';
import type { View } from './usage/data/view';
import type { UsageFeedElement } from './usage/element';
import './usage/element';

export type { View } from './usage/data/view';

export interface UsageFeedProps {
  /** The customer's token. Change it whenever there is a new one. */
  token?: string | null;
  /** Called when the token is refused: resolves to a new one, or to null to sign out. */
  refreshToken?: () => Promise<string | null>;
  /** Address of the GraphQL endpoint; absent: /graphql. */
  endpoint?: string;
  /** Global id of the account; absent: the token's own. */
  account?: string;
  /** Global id of a line to open and focus. */
  entry?: string;
  /** BCP 47; absent: the browser's. */
  locale?: string;
  /** Period, zone and filters. */
  view?: View;
  onViewChange?: (view: View) => void;
  onSignedOut?: () => void;
  className?: string;
  style?: CSSProperties & Record<`--${string}`, string>;
}

interface ElementProps extends DetailedHTMLProps<HTMLAttributes<UsageFeedElement>, UsageFeedElement> {
  token?: string | null | undefined;
  refreshToken?: (() => Promise<string | null>) | undefined;
  endpoint?: string | undefined;
  account?: string | undefined;
  entry?: string | undefined;
  locale?: string | undefined;
  view?: View | undefined;
  onviewchange?: (event: CustomEvent<View>) => void;
  onsignedout?: () => void;
}

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'usage-feed': ElementProps;
    }
  }
}

export function UsageFeed({ onViewChange, onSignedOut, ...rest }: UsageFeedProps): JSX.Element {
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return (
    <usage-feed
      {...given}
      onviewchange={(event) => onViewChange?.(event.detail)}
      onsignedout={() => onSignedOut?.()}
    />
  );
}
