/**
 * The page at /billing/usage: the element, with the tab's token and the page's address.
 * Owns the address: `#token=` is taken out of it, `#entry=` opens a line, the query is the view.
 */
import { takeToken } from '../token';
import { queryFromView, viewFromQuery } from './address';
import type { View } from './data/view';
import { UsageFeedElement } from './element';

const feed = new UsageFeedElement();

function read(): void {
  feed.token = takeToken();
  const entry = new URLSearchParams(location.hash.slice(1)).get('entry');
  if (entry === null) feed.removeAttribute('entry');
  else feed.setAttribute('entry', entry);
}

const readView = (): View => viewFromQuery(new URLSearchParams(location.search));

feed.setAttribute('keys', 'page');
feed.view = readView();
read();
document.querySelector('main')?.append(feed);

window.addEventListener('hashchange', read);
window.addEventListener('popstate', () => {
  // A step to another #entry= is one too, and changes no view.
  if (queryFromView(readView()).toString() !== queryFromView(feed.view).toString()) feed.view = readView();
});
feed.addEventListener('viewchange', (event) => {
  const query = queryFromView((event as CustomEvent<View>).detail).toString();
  const address = location.pathname + (query && `?${query}`);
  if (address !== location.pathname + location.search) history.pushState(null, '', address);
});
