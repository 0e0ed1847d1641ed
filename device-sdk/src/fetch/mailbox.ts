/**
 * Announcements that wait while the device works: the newest of the topic, and the newest that answers a question of
 * ours. Two places, because anyone who can write to the topic can replace what lies in the first.
 */
export interface Letter {
  bytes: Uint8Array;
  /** It answers our own question: as many come as we ask, and the limit on looking at announcements is not for them. */
  asked: boolean;
  /** It has been counted against that limit. */
  counted: boolean;
  /** It has been looked at during an install and waits for the install to end. */
  read: boolean;
}

export class Mailbox {
  #asked: Letter | undefined;
  #heard: Letter | undefined;
  #wake = () => {};

  put(bytes: Uint8Array, asked: boolean): void {
    const letter = { bytes: bytes.slice(), asked, counted: asked, read: false };
    if (asked) this.#asked = letter;
    else this.#heard = letter;
    this.#wake();
  }

  /** Resolves when something arrives, or at {@link wake}. One at a time may wait. */
  arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  wake(): void {
    this.#wake();
  }

  /** The answer to our own question comes first. */
  take(): Letter | undefined {
    const letter = this.#asked ?? this.#heard;
    if (letter) this.drop(letter);
    return letter;
  }

  unread(): Letter[] {
    return this.#all().filter((letter) => !letter.read);
  }

  read(): Letter[] {
    return this.#all().filter((letter) => letter.read);
  }

  drop(letter: Letter): void {
    if (this.#asked === letter) this.#asked = undefined;
    if (this.#heard === letter) this.#heard = undefined;
  }

  #all(): Letter[] {
    return [this.#asked, this.#heard].filter((letter) => letter !== undefined);
  }
}
