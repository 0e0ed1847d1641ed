import { demand } from '../errors.ts';
import { Body } from './body.ts';
import type { Commands, Spending } from './commands.ts';
import { type DeltaHeader, readWholeHeader } from './header.ts';

/** Where the bytes of a container go. `header`, `model` and the three of the stream sum up to `containerBytes`. */
export interface DeltaSpending {
  header: DeltaHeader;
  containerBytes: number;
  bytes: { header: number; model: number } & Record<Spending, number>;
  /** The same three before the coder. */
  plainBytes: Record<Spending, number>;
  /** Commands of each kind. Adjacent blocks repeat a command that was cut at a checkpoint. */
  counts: { copies: number; inserts: number; fills: number };
  checkpoints: number;
}

/**
 * Walks a whole container without the old image: every rule is checked that does not need it.
 * Coded bytes are shared out to the plain bytes they complete.
 * @throws Refusal BAD_DELTA, UNSUPPORTED
 */
export function inspectDelta(container: Uint8Array): DeltaSpending {
  const header = readWholeHeader(container);
  const coded: Record<Spending, number> = { commands: 0, patches: 0, inserts: 0 };
  const plainBytes: Record<Spending, number> = { commands: 0, patches: 0, inserts: 0 };
  let fresh: Spending[] = [];
  const watch = (commands: Commands): void => {
    fresh.push(commands.spending);
  };
  const workspace = new Uint8Array(header.workspaceBytes);
  const body = new Body(header, { workspace, old: { read: () => undefined }, sink: () => undefined, watch });
  let checkpoints = 0;
  let waiting = 0;
  for (let at = header.headerBytes; at < container.length; at++) {
    demand(body.pages.offset < header.newBytes, 'BAD_DELTA', 'bytes after the end of the container');
    const ended = body.feed(container[at]!);
    waiting++;
    for (const spending of fresh) {
      plainBytes[spending]++;
      coded[spending] += waiting / fresh.length;
    }
    if (fresh.length > 0) waiting = 0;
    fresh = [];
    if (!ended || body.pages.offset === header.newBytes) continue;
    checkpoints++;
    body.openBlock();
  }
  demand(body.pages.offset === header.newBytes, 'BAD_DELTA', 'the container is cut short');
  const stream = container.length - header.headerBytes - header.modelBytes;
  return {
    header,
    containerBytes: container.length,
    bytes: { header: header.headerBytes, model: header.modelBytes, ...rounded(coded, stream) },
    plainBytes,
    counts: body.counts(),
    checkpoints,
  };
}

/** Whole numbers with the same sum: commands and inserts are rounded, patches take the rest. */
function rounded(coded: Record<Spending, number>, sum: number): Record<Spending, number> {
  const commands = Math.round(coded.commands);
  const inserts = Math.min(Math.round(coded.inserts), sum - commands);
  return { commands, patches: sum - commands - inserts, inserts };
}
