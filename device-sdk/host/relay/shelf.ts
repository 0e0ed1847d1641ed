/** What answers where no server does: a bundle, for instance. Nothing of it is believed by whoever asks. */
import type { Answer, Request } from '../../src/format/requests.ts';

export interface Shelf {
  /** Announcements for a class; an older one does no harm. */
  announcements(classId: Uint8Array): readonly Uint8Array[];
  /** Frames `first` to `first + count - 1`, as many as there are; undefined where the payload is not here. */
  frames(chainHead: Uint8Array, first: number, count: number): readonly Uint8Array[] | undefined;
  /** Consistency, entries, trust roots, issued keys; undefined where it is not known here. */
  answer(request: Request): Answer | undefined;
}
