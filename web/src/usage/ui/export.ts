/** Saves what the view shows as a file. The credential goes in a header, never in an address. */
import type { UsageModel } from '../data/model';
import { filterOf } from '../data/view';

export async function exportFile(model: UsageModel, form: 'csv' | 'jsonl'): Promise<void> {
  const { transport } = model.options;
  const url = new URL('export', new URL('.', transport.endpoint));
  const { kinds, from, to, campaign, reasonCode, search } = filterOf(model.view, model.range);
  const query = {
    account: model.account?.id,
    format: form,
    timeZone: model.zone,
    from,
    to,
    campaign,
    reasonCode,
    search,
  };
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
  for (const kind of kinds ?? []) url.searchParams.append('kind', kind);
  const response = await transport.download(url);
  const named = /filename="([^"]+)"/.exec(response.headers.get('content-disposition') ?? '')?.[1];
  const address = URL.createObjectURL(await response.blob());
  const link = Object.assign(document.createElement('a'), {
    href: address,
    download: named ?? `usage.${form}`,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
