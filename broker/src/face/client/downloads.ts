/** Taking a release's image as a person does: on the record first, where the release's policy says so, then in hand. */
import { type Signer, unhex } from '@countersign/device-sdk/format';
import { downloadArgs } from '../../ledger/contract/args.ts';
import type { HistoryItem, ReleaseView } from '../../ledger/contract/views.ts';
import type { CommittedView } from '../api/views.ts';
import { getProvenRelease } from './releases.ts';
import { inPath, perform, type Session } from './session.ts';
import { imageOf } from './trials.ts';

/** What the first download of a release names as the one before it. */
const NONE = '0'.repeat(64);

export interface Download {
  release: ReleaseView;
  /** Checked against the digest that the release names. */
  image: Uint8Array;
  /** The entry; undefined where the release's policy asks for no log. */
  committed: CommittedView | undefined;
}

/**
 * @param by who takes it, as the record shows it beside the signer
 * @throws Refusal NOT_FOUND, BAD_STATEMENT; CONFLICT where another took it at the same moment: do it again
 */
export async function download(session: Session, signer: Signer, name: string, by: string): Promise<Download> {
  const release = await getProvenRelease(session, name);
  const image = await imageOf(session, unhex(release.imageDigest)!);
  if (!release.policy.log) return { release, image, committed: undefined };
  const args = downloadArgs(release.contentId, by);
  const previous = await lastDownload(session, release.releaseLeaf);
  const deed = { action: 'download' as const, object: unhex(release.releaseLeaf)!, previous, args };
  return { release, image, committed: await perform(session, signer, deed) };
}

async function lastDownload({ api }: Session, releaseLeaf: string): Promise<string> {
  const items = (await api.get(`/api/v1/history/${inPath(releaseLeaf)}`)) as HistoryItem[];
  return items.find(({ action }) => action === 'download')?.leafHash ?? NONE;
}
