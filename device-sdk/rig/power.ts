import { PowerCut } from './faults.ts';
import { Prng } from './prng.ts';

/** When the power goes, seen from one operation: nothing of it done, a part of it, or all of it. */
export type CutPhase = 'before' | 'during' | 'after';

export const CUT_PHASES: readonly CutPhase[] = ['before', 'during', 'after'];

export type OperationKind = 'write' | 'erase' | 'boot';

/** One durable change: how it is done, and what is left of it when the power goes half-way. */
export interface Operation {
  readonly kind: OperationKind;
  apply(): void;
  tear(random: Prng): void;
}

/**
 * Counts every durable change of one device (flash writes, flash erases, changes of the boot record) and cuts the power
 * at a chosen one. A test first runs without a cut and reads `operations`, then breaks each of them in each phase.
 *
 * @example
 * const power = new PowerCutter('seed');
 * const flash = new VirtualFlash({ bytes: 8192, writeBytes: 4, eraseBytes: 4096, power });
 * power.cutAt(power.operations + 1, 'during');
 * flash.erase(0, 4096); // operation n succeeds
 * flash.write(0, new Uint8Array(4)); // operation n + 1 tears and throws PowerCut
 */
export class PowerCutter {
  #operations = 0;
  #off = false;
  #cuts = 0;
  #cut: { operation: number; phase: CutPhase } | undefined;
  readonly #seed: readonly (number | string)[];

  constructor(...seed: readonly (number | string)[]) {
    this.#seed = seed;
  }

  /** Durable changes begun so far; the next one has this number. */
  get operations(): number {
    return this.#operations;
  }

  /** True from the cut until `restorePower`. */
  get off(): boolean {
    return this.#off;
  }

  /** Power cuts so far: what ran before the last one runs no more. */
  get cuts(): number {
    return this.#cuts;
  }

  /** True while a cut is armed that has not happened yet. */
  get armed(): boolean {
    return this.#cut !== undefined;
  }

  /** Arms a cut at the operation with this number, counted from the first operation of this cutter as 0. */
  cutAt(operation: number, phase: CutPhase): void {
    if (!Number.isSafeInteger(operation) || operation < this.#operations) {
      throw new RangeError(`operation ${operation} is past, the next is ${this.#operations}`);
    }
    this.#cut = { operation, phase };
  }

  disarm(): void {
    this.#cut = undefined;
  }

  /** Cuts the power now, between two operations. Does not throw: the next use of the hardware does. */
  cutNow(): void {
    this.#off = true;
    this.#cuts += 1;
    this.#cut = undefined;
  }

  restorePower(): void {
    this.#off = false;
  }

  /** Throws {@link PowerCut} while the power is off. Every read asks this first. */
  demandPower(): void {
    if (this.#off) throw new PowerCut('the power is off');
  }

  /** Does one durable change, or breaks it. For the rig's own devices and for a porter's further hardware. */
  operate(operation: Operation): void {
    this.demandPower();
    const number = this.#operations++;
    const phase = this.#cut?.operation === number ? this.#cut.phase : undefined;
    if (phase === undefined) {
      operation.apply();
      return;
    }
    this.cutNow();
    if (phase === 'during') operation.tear(new Prng(...this.#seed, 'tear', number));
    if (phase === 'after') operation.apply();
    throw new PowerCut(`power cut ${phase} operation ${number} (${operation.kind})`);
  }
}
