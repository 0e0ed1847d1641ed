import { type Bytes, type Cpu, PLAIN, type Unit } from '../unit.ts';

/** No instruction set: aligned words. */
export class NoCpu implements Cpu {
  readonly align = 1;
  readonly bigEndian = false;

  reset(): void {}

  look(_old: Bytes, _offset: number, address: number, unit: Unit): void {
    unit.size = 4 - (address & 3);
    unit.kind = PLAIN;
  }

  targetOf(): number {
    return -1;
  }

  retarget(): boolean {
    return false;
  }
}
