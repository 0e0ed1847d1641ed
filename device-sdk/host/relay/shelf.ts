/** What answers where no server does: a bundle, for instance. Nothing of it is believed by whoever asks. */
import { hex } from '../../src/format/bytes.ts';
import { type Answer, ISSUED, type Request } from '../../src/format/requests.ts';

export interface Shelf {
  /** Announcements for a class; an older one does no harm. */
  announcements(classId: Uint8Array): readonly Uint8Array[];
  /** Frames `first` to `first + count - 1`, as many as there are; undefined where the payload is not here. */
  frames(chainHead: Uint8Array, first: number, count: number): readonly Uint8Array[] | undefined;
  /** Consistency, entries, trust roots, issued keys; undefined where it is not known here. */
  answer(request: Request): Answer | undefined;
}

/**
 * What several shelves answer: the first one that knows. An issued key is proven under the head of its own bundle, and the proof of
 * one for another class, or of an older one, may lead nowhere for a device that is given no other. So those of the class answer,
 * by turns, and each for as long as all their announcements take to come round twice: in step with them no turn would fit.
 */
export class Shelves {
  readonly #all: readonly Shelf[];
  /** How often each class was answered: no more classes than shelves are for. */
  readonly #asked = new Map<string, number>();

  constructor(all: readonly Shelf[]) {
    this.#all = all;
  }

  answer(classId: Uint8Array, request: Request): Answer | undefined {
    if (request.kind === ISSUED) return this.#issued(classId, request);
    for (const shelf of this.#all) {
      const answer = shelf.answer(request);
      if (answer) return answer;
    }
    return undefined;
  }

  #issued(classId: Uint8Array, request: Request): Answer | undefined {
    const own = this.#all.filter((shelf) => shelf.announcements(classId).length > 0);
    const answers = own.flatMap((shelf) => shelf.answer(request) ?? []);
    if (answers.length === 0) return undefined;
    const name = hex(classId);
    const asked = this.#asked.get(name) ?? 0;
    this.#asked.set(name, asked + 1);
    return answers[Math.floor(asked / (2 * answers.length)) % answers.length];
  }
}
