/** Who took which content of a release, on the record. It changes nothing but its own list. */
import { demand, Refusal } from '@countersign/device-sdk';
import { readDownload } from './args.ts';
import { type Call, checkPrevious, nameOf, type Signatory, stampOf } from './call.ts';
import type { TransactionEntry } from './entry.ts';
import { read, toHex, write } from './state.ts';

/**
 * The object is the release; `previous` is the release's last *download*, so that a download never makes an approval
 * or a confirmation signed at the same time void.
 * @throws Refusal NOT_FOUND, BAD_STATEMENT, CONFLICT, DUPLICATE
 */
export async function download(call: Call, entry: TransactionEntry, by: Signatory): Promise<void> {
  const leaf = toHex(entry.tx.object);
  const last = await read(call.stub, 'download', leaf);
  checkPrevious(entry, entry.tx.previous, last?.entry);
  const args = readDownload(entry.tx.args);
  const release = await read(call.stub, 'release', leaf);
  if (!release) throw new Refusal('NOT_FOUND', `there is no release ${leaf}`);
  const all = [release, ...(release.components ?? [])];
  const contents = all.flatMap(({ contentId, branches }) => [contentId, ...branches.map(({ chainHead }) => chainHead)]);
  demand(contents.includes(args.contentId), 'BAD_STATEMENT', 'the release has no such content');
  const count = (last?.count ?? 0) + 1;
  await write(call.stub, 'download', [leaf], { ...args, count, ...stampOf(entry, 'download', nameOf(by)) });
}
