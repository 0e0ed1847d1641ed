/**
 * The brake on the chain, as its newest block has it: not the newest final one, because a brake that waits for
 * confirmations is none. Where a reorganisation takes a pause back, what stood still for it is resumed by a person.
 */
import { unhex } from '@countersign/device-sdk/format';
import { asBytes32, type EvmParts } from './parts.ts';

export class Brake {
  readonly #parts: Pick<EvmParts, 'chain' | 'rolling'>;
  #on: readonly string[] = [];
  #block: string | undefined;

  constructor(parts: Pick<EvmParts, 'chain' | 'rolling'>) {
    this.#parts = parts;
  }

  /** Class ids in hex with a rollout that the brake holds. */
  get on(): readonly string[] {
    return this.#on;
  }

  /** Asks the chain once for each block. @throws Refusal UNREACHABLE */
  async look(): Promise<void> {
    const { chain, rolling } = this.#parts;
    const block = await chain.block(await chain.height());
    if (block === undefined || block.hash === this.#block) return;
    const classes = await rolling();
    const everything = classes.length > 0 && (await chain.read('paused', [asBytes32(new Uint8Array())]));
    const on: string[] = [];
    for (const classId of classes) {
      if (everything || (await chain.read('paused', [asBytes32(unhex(classId)!)]))) on.push(classId);
    }
    this.#on = on;
    this.#block = block.hash;
  }
}
