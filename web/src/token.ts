/**
 * The page's credential: read from the address once, then kept for this tab only.
 * Owns where it is stored. Does not renew it and does not judge it.
 */

const STORAGE_KEY = 'usage-feed.token';

/**
 * Moves `token` from the address's fragment to sessionStorage and returns the tab's token, or null.
 * Guarantees: afterwards neither the address nor the history entry holds it; other fragment
 * parameters stay.
 */
export function takeToken(): string | null {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get('token');
  if (token === null) return sessionStorage.getItem(STORAGE_KEY);
  sessionStorage.setItem(STORAGE_KEY, token);
  fragment.delete('token');
  const rest = fragment.toString();
  history.replaceState(history.state, '', location.pathname + location.search + (rest && `#${rest}`));
  return token;
}
