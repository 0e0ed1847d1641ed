/** How the devices of one profile ended, and each component of them. */
import type { TrialComponent, TrialOutcome, TrialProfile } from '@countersign/broker/ledger/contract/trial-args';
import { APPLICATION } from '@countersign/device-sdk/format';

type Kind = Pick<TrialProfile, 'hardware' | 'baseDigest' | 'devices'> & {
  readonly components?: readonly Pick<TrialComponent, 'id' | 'baseDigest'>[];
};

export class Counts {
  readonly #kind: Kind;
  readonly #whole = new Map<string, number>();
  /** The application first. */
  readonly #parts: { id: string; baseDigest: Uint8Array | null; codes: Map<string, number> }[];

  constructor(kind: Kind) {
    this.#kind = kind;
    const all = [{ id: APPLICATION, baseDigest: kind.baseDigest }, ...(kind.components ?? [])];
    this.#parts = all.map(({ id, baseDigest }) => ({ id, baseDigest, codes: new Map() }));
  }

  /**
   * One device.
   * @param parts a code for each component
   * @returns what the log says behind its code: nothing where there is only one component
   */
  add(whole: string, parts: readonly string[]): string {
    count(this.#whole, whole);
    for (const [i, code] of parts.entries()) count(this.#parts[i]!.codes, code);
    return parts.length > 1 ? `  ${this.#parts.map(({ id }, i) => `${id} ${parts[i]}`).join(' ')}` : '';
  }

  get profile(): TrialProfile {
    const { hardware, baseDigest, devices } = this.#kind;
    const profile = { hardware, baseDigest, devices, outcomes: outcomesOf(this.#whole) };
    if (this.#parts.length === 1) return profile;
    const components = this.#parts.map(({ codes, ...part }) => ({ ...part, outcomes: outcomesOf(codes) }));
    return { ...profile, components };
  }
}

function count(codes: Map<string, number>, code: string): void {
  codes.set(code, (codes.get(code) ?? 0) + 1);
}

function outcomesOf(codes: ReadonlyMap<string, number>): TrialOutcome[] {
  return [...codes].map(([code, number]) => ({ code, count: number })).sort((a, b) => (a.code < b.code ? -1 : 1));
}
