/** Between the tool and the process in which mutants run. */
import type { Kind } from './instrument.ts';

export type Result =
  /** A row fails: something was got, a fault, or a refusal by another name. `hung`: the row never ended. */
  | {
      outcome: 'breached' | 'broken' | 'renamed' | 'hung';
      row?: number;
      how?: string;
      code?: string | null;
      why?: string;
    }
  /** No row fails until the check behind it is removed as well. */
  | { outcome: 'shadowed'; row: number; how: string; by: string }
  /** It fired, and nothing was noticed. */
  | { outcome: 'survived'; by: string }
  /** It never fired. */
  | { outcome: 'untried' };

export interface Listed {
  name: string;
  kind: Kind;
  fired: boolean;
}

export type ToWorker = { kind: 'mutants'; names: readonly string[] };

export type FromWorker =
  | { kind: 'alive' }
  | { kind: 'baseline'; failed: readonly string[]; checks: readonly Listed[] }
  | { kind: 'trying'; name: string }
  | { kind: 'result'; name: string; result: Result }
  | { kind: 'done' };
