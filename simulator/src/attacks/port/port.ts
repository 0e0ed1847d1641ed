/**
 * What a build of the device SDK brings to be put under the attacks: a factory, a power switch, ears, and a way to look
 * into its flash from outside. The network, the server and the wall clock are the suite's; a port never talks to anybody.
 * Each call lets the device run until it has nothing to do at this moment, and answers with what it sent and said.
 * docs/ATTACKS.md, "Another port", has the same as JSON lines.
 */

/** The device as it leaves the factory. */
export interface Birth {
  /** FORMAT, "Provisioning record". */
  record: Uint8Array;
  /** What is in slot 0. */
  image: Uint8Array;
  /** Further components, each with two slots of its own: what lies in slot 0. Left out: none. */
  components?: readonly { id: string; image: Uint8Array; slotBytes: number }[];
  /** Seed of the device's Ed25519 key. */
  key: Uint8Array;
  writeBytes: number;
  eraseBytes: number;
  slotBytes: number;
  storeBytes: number;
  workspaceBytes: number;
  memoryClass: 'S' | 'M' | 'L';
  /** The wall clock at birth, in seconds; null where the device has none. It moves with {@link Port.advance}. */
  clock: number | null;
  /**
   * Releases that do not behave: the self-test says no, or never answers; the image dies before it; or it ages: it passes,
   * the power goes before the loader is told to keep it, and it never comes up again.
   */
  bad: readonly { sequence: number; how: 'fails' | 'hangs' | 'dies' | 'ages' }[];
  /** The owner forbids every install. */
  veto: boolean;
}

/** Towards the device: topics `ann`, `frm` and `cmd`. */
export type Ear = 'announcement' | 'answer' | 'command';
/** From the device: its login, and topics `req` and `rep`. */
export type Mouth = 'login' | 'request' | 'report';

export interface Said {
  sent: readonly { by: Mouth; bytes: Uint8Array }[];
  /** Codes of what was refused, in order; of a stage that failed, too. */
  codes: readonly string[];
  /** Milliseconds until the device wants to be woken; null where it only listens. */
  dueMs: number | null;
  /** It has given its mirror up as a liar and wants another one (Link.distrust). Left out: it has not. */
  distrusted?: boolean;
  /** It wants to be restarted: the suite calls {@link Port.boot}. */
  restart: boolean;
  /** The power went, as {@link Port.cutPower} had asked. */
  cut: boolean;
  /** Anything but a refusal that stopped it: a fault of the port. */
  fault: string | null;
}

/** What is in the hardware and in the journal. */
export interface Look {
  /** The slot that the loader boots, its trial aside; 0 where there is one. */
  slot: 0 | 1;
  /** SHA-256 of each whole slot; with one slot the second is the staging area. */
  slots: readonly [string, string];
  /** The same of further components, by id; left out where there are none. */
  components?: Readonly<Record<string, readonly [string, string]>>;
  /** The slot that is to be tried next or is being tried. */
  trial: 0 | 1 | null;
  /** Of the confirmed release. */
  sequence: number;
  floor: number;
  headSize: number;
  headRoot: string;
  rootVersion: number;
  rolloutSequence: number;
  /** Reports that nobody has acknowledged. */
  outbox: number;
  commandCounter: number;
  /** Releases and branches that failed here, for good. */
  failed: number;
  /** Operations on the flash and the boot record so far. */
  operations: number;
}

export interface Port {
  readonly name: string;
  /** A device with one slot: what a page of an update in place holds. Left out: two slots. */
  readonly pageBytes?: number;
  /** Forgets everything before it. A record that is refused is told as a code. */
  provision(birth: Birth): Promise<Said>;
  /** Power on, or restart: the loader, then the application, until it has opened its link. */
  boot(): Promise<Said>;
  link(up: boolean): Promise<Said>;
  deliver(ear: Ear, bytes: Uint8Array): Promise<Said>;
  advance(ms: number): Promise<Said>;
  /** Sets the wall clock, in seconds; null takes it away. */
  setClock(seconds: number | null): Promise<Said>;
  /** Cuts the power at an operation counted from now, 0 for the next one. */
  cutPower(operation: number, phase: 'before' | 'during' | 'after'): Promise<Said>;
  /** Turns bits of one byte in a slot, as decay or a thief with a probe does. */
  corrupt(slot: 0 | 1, offset: number, mask: number): Promise<Said>;
  look(): Promise<Look>;
  close(): Promise<void>;
}
