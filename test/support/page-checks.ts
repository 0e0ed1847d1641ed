import { makeDelta } from '@countersign/broker/delta/index';
import type { MemoryClass } from '@countersign/device-sdk/delta';
import type { ExecutionContext } from 'ava';
import { type Isa, programs } from './code.ts';
import { decodeByPage } from './page-decoder.ts';

/** What the encoder makes for one CPU, decoded by the page. */
export function checkMade(t: ExecutionContext, isa: Isa, classes: readonly MemoryClass[]): void {
  const { old, fresh } = programs(isa, 200, 21);
  fresh.fill(0xff, 4096, 4300);
  for (let i = 5000; i < 5064; i += 3) fresh[i]! ^= 0x55;
  for (const name of classes) {
    const { delta, info } = makeDelta(old, fresh, { class: name, checkpointBytes: 4096 });
    t.is(Buffer.compare(decodeByPage(delta, old), fresh), 0, `${name}: ${info.coder}`);
    t.log(`class ${name}: ${info.predictor}, ${info.coder}, ${delta.length} bytes`);
  }
}

/** The same in place. @returns the ways that the encoder chose */
export function checkInPlace(t: ExecutionContext, isa: Isa, classes: readonly MemoryClass[]): Set<string | undefined> {
  const { old, fresh } = programs(isa, 200, 22);
  const ways = new Set<string | undefined>();
  for (const name of classes) {
    for (const [from, to] of [
      [old, fresh],
      [fresh, old],
    ] as const) {
      const { delta, info } = makeDelta(from, to, { class: name, inPlace: true, checkpointBytes: 4096 });
      t.is(Buffer.compare(decodeByPage(delta, from), to), 0, `${name}: ${info.coder}, ${info.inPlace}`);
      ways.add(info.inPlace);
    }
  }
  return ways;
}
