import type { Timer } from '@countersign/device-sdk';
import { lost } from '@countersign/device-sdk/host/wire';

/** One thing that the network is about to do for a device. */
export interface LinkEvent {
  kind: 'connect' | 'send' | 'receive';
  /** Counts all events of this link from 0: a decision is a function of (seed, device, number) and of no order. */
  number: number;
  /** Empty for `connect`. */
  topic: string;
  bytes: number;
}

export type LinkFault =
  /** The connection breaks; this message is lost with it. */
  | { kind: 'drop' }
  /** This message is lost, the connection stays. For `connect`: as drop. */
  | { kind: 'lose' }
  /** It arrives so much later, and all after it in this direction behind it. */
  | { kind: 'delay'; ms: number }
  /** One byte of the payload is changed by XOR, at `at` modulo the length. For `connect` nothing. */
  | { kind: 'corrupt'; at: number; mask: number };

/** Decides about each event; undefined lets it pass. */
export type LinkFaults = (event: LinkEvent) => LinkFault | undefined;

/** Messages held back in one direction. Above that the next one breaks the connection, as a full buffer would. */
export const DELAYED_MAX = 64;

type Deliver = (bytes: Uint8Array | undefined) => void;

/** Lets faults happen to the events of one link. */
export class Weather {
  readonly #faults: LinkFaults | undefined;
  readonly #timer: Timer;
  readonly #lanes = { send: [] as (() => void)[], receive: [] as (() => void)[] };
  readonly #holding = new Set<() => void>();
  #number = 0;

  constructor(faults: LinkFaults | undefined, timer: Timer) {
    this.#faults = faults;
    this.#timer = timer;
  }

  /** @throws Refusal LINK_LOST where the decision is to drop it */
  async connect(): Promise<void> {
    const fault = this.#decide('connect', '', 0);
    if (fault?.kind === 'drop' || fault?.kind === 'lose') throw lost('no connection, by decision');
    if (fault?.kind === 'delay') await new Promise<void>((resolve) => void this.#timer.after(fault.ms, resolve));
  }

  /** Calls `cut` for a broken connection, or `deliver` with the bytes that arrive, undefined for none. */
  send(topic: string, bytes: Uint8Array, cut: () => void, deliver: Deliver): void {
    this.#pass('send', topic, bytes, cut, deliver);
  }

  receive(topic: string, bytes: Uint8Array, cut: () => void, deliver: Deliver): void {
    this.#pass('receive', topic, bytes, cut, deliver);
  }

  #pass(kind: 'send' | 'receive', topic: string, bytes: Uint8Array, cut: () => void, deliver: Deliver): void {
    const fault = this.#decide(kind, topic, bytes.length);
    const lane = this.#lanes[kind];
    if (fault?.kind === 'drop' || lane.length >= DELAYED_MAX) {
      cut();
      return;
    }
    const arrives = fault?.kind === 'lose' ? undefined : fault?.kind === 'corrupt' ? corrupted(bytes, fault) : bytes;
    const call = () => deliver(arrives);
    const ms = fault?.kind === 'delay' ? fault.ms : 0;
    if (ms > 0 || lane.length > 0) lane.push(call);
    else call();
    if (ms > 0) this.#holdUntil(lane, call, ms);
  }

  /** TCP keeps the order: what comes later waits behind it. */
  #holdUntil(lane: (() => void)[], held: () => void, ms: number): void {
    this.#holding.add(held);
    this.#timer.after(ms, () => {
      this.#holding.delete(held);
      while (lane.length > 0 && !this.#holding.has(lane[0]!)) lane.shift()!();
    });
  }

  #decide(kind: LinkEvent['kind'], topic: string, bytes: number): LinkFault | undefined {
    return this.#faults?.({ kind, number: this.#number++, topic, bytes });
  }
}

function corrupted(bytes: Uint8Array, { at, mask }: { at: number; mask: number }): Uint8Array {
  const copy = new Uint8Array(bytes);
  if (copy.length > 0) copy[at % copy.length]! ^= mask & 0xff || 1;
  return copy;
}
