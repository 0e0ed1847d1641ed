/**
 * One link made of several, in order of preference: MQTT first, HTTP after it, for instance. A way that does not work is
 * left for the next one; a better one is tried again from time to time, while nothing is being fetched.
 */
import { codeOf } from '../src/errors.ts';
import type { Entropy, Link, LinkEvents, Timer } from '../src/ports.ts';
import { FALLBACK_LIMITS, type FallbackLimits } from './fallback-limits.ts';
import { systemEntropy, systemTimer } from './system.ts';
import { lost } from './wire.ts';

export type { FallbackLimits };

export interface Way {
  name: string;
  /** Makes a fresh link that tells its troubles. */
  make(trouble: (error: unknown) => void): Link;
}

/** Why a way was left. `junk`: it was up, and what came by it proved nothing or was not what was asked for. */
export type WhyLeft = 'refused' | 'lost' | 'silent' | 'flapping' | 'late' | 'junk' | 'better';

export interface FallbackOptions {
  ways: readonly [Way, ...Way[]];
  timer?: Timer;
  entropy?: Entropy;
  limits?: Partial<FallbackLimits>;
  on?: (change: { from: string; to: string; why: WhyLeft }) => void;
}

export function fallbackLink(options: FallbackOptions): Link {
  return options.ways.length === 1 ? options.ways[0].make(() => undefined) : new Fallback(options);
}

/** A way in use, or on probation. */
interface Leg {
  index: number;
  link: Link;
  up: boolean;
  ended: boolean;
  troubles: { lost: number; refused: number };
  cancelLate: () => void;
}

class Fallback implements Link {
  readonly #ways: readonly Way[];
  readonly #timer: Timer;
  readonly #entropy: Entropy;
  readonly #limits: Readonly<FallbackLimits>;
  readonly #on: NonNullable<FallbackOptions['on']>;
  #events: LinkEvents | undefined;
  #login: (() => Promise<Uint8Array>) | undefined;
  #leg: Leg | undefined;
  #probe: Leg | undefined;
  #closed = false;
  #flaps = 0;
  #rounds = 0;
  #returnMs: number;
  /** Junk came by one of the ways not long ago: that one comes up is then no reason to be quicker again. */
  #doubted = false;
  #quiet = true;
  #cancelQuiet: () => void = nothing;
  #cancelSilent: (() => void) | undefined;
  #cancelStable: () => void = nothing;
  #cancelReturn: () => void = nothing;
  #cancelRound: () => void = nothing;
  #cancelTrust: () => void = nothing;

  constructor(options: FallbackOptions) {
    this.#ways = options.ways;
    this.#timer = options.timer ?? systemTimer();
    this.#entropy = options.entropy ?? systemEntropy();
    this.#limits = { ...FALLBACK_LIMITS, ...options.limits };
    this.#on = options.on ?? nothing;
    this.#returnMs = this.#limits.returnMs;
  }

  open(events: LinkEvents, login: () => Promise<Uint8Array>): void {
    if (this.#events) throw new TypeError('a link is opened once');
    this.#events = events;
    this.#login = login;
    this.#use(0);
  }

  async request(bytes: Uint8Array): Promise<void> {
    const link = this.#upLink();
    this.#asked();
    await link.request(bytes);
  }

  async report(bytes: Uint8Array): Promise<void> {
    await this.#upLink().report(bytes);
  }

  /** Every way may lie: none is left for good, and each time the way back to the first takes longer. */
  distrust(): void {
    const leg = this.#leg;
    if (this.#closed || !leg?.up || leg.ended) return;
    const { returnMsMax, trustMs } = this.#limits;
    this.#doubted = true;
    this.#cancelTrust();
    this.#cancelTrust = this.#timer.after(trustMs, () => this.#trust());
    if (leg.index === 0) this.#returnMs = Math.min(2 * this.#returnMs, returnMsMax);
    this.#leave(leg, 'junk');
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const cancel of [this.#cancelQuiet, this.#cancelStable, this.#cancelReturn, this.#cancelRound]) cancel();
    this.#cancelTrust();
    this.#heard();
    for (const leg of [this.#leg, this.#probe]) if (leg) this.#end(leg);
  }

  #upLink(): Link {
    if (!this.#leg?.up) throw lost();
    return this.#leg.link;
  }

  #use(index: number): void {
    this.#flaps = 0;
    this.#leg = this.#start(index, (leg, why) => this.#leave(leg, why));
  }

  /** Opens a way. What it tells counts as long as it is the one in use; `failed` is told at most once. */
  #start(index: number, failed: (leg: Leg, why: WhyLeft) => void): Leg {
    const { lostMax, refusedMax, lateMs } = this.#limits;
    const fail = (why: WhyLeft) => {
      if (!leg.ended) failed(leg, why);
    };
    const trouble = (error: unknown) => {
      const kind = REFUSED.has(codeOf(error)) ? 'refused' : 'lost';
      if (++leg.troubles[kind] >= (kind === 'refused' ? refusedMax : lostMax)) fail(kind);
    };
    const leg: Leg = {
      ...{ index, up: false, ended: false, troubles: { lost: 0, refused: 0 } },
      link: this.#ways[index]!.make(trouble),
      cancelLate: this.#timer.after(lateMs, () => fail('late')),
    };
    const pass = (tell: (events: LinkEvents) => void) => {
      if (leg.ended || leg !== this.#leg) return;
      this.#heard();
      tell(this.#events!);
    };
    leg.link.open(
      {
        up: () => this.#wentUp(leg),
        down: () => this.#wentDown(leg, fail),
        announcement: (bytes) => pass((events) => events.announcement(bytes)),
        answer: (bytes) => pass((events) => events.answer(bytes)),
        command: (bytes) => pass((events) => events.command(bytes)),
      },
      this.#login!,
    );
    return leg;
  }

  #wentUp(leg: Leg): void {
    if (leg.ended) return;
    leg.up = true;
    leg.cancelLate();
    leg.troubles = { lost: 0, refused: 0 };
    if (leg === this.#probe) this.#adopt(leg);
    this.#cancelStable();
    this.#cancelStable = this.#timer.after(this.#limits.stableMs, () => {
      this.#flaps = 0;
      if (!this.#doubted) this.#rounds = 0;
    });
    this.#events!.up();
    this.#planReturn();
  }

  #wentDown(leg: Leg, fail: (why: WhyLeft) => void): void {
    if (leg.ended) return;
    leg.up = false;
    this.#heard();
    this.#events!.down();
    leg.cancelLate = this.#timer.after(this.#limits.lateMs, () => fail('late'));
    if (++this.#flaps >= this.#limits.flapsMax) fail('flapping');
  }

  #leave(leg: Leg, why: WhyLeft): void {
    this.#end(leg);
    if (this.#probe) this.#end(this.#probe);
    this.#probe = undefined;
    this.#heard();
    if (leg.up) this.#events!.down();
    const next = (leg.index + 1) % this.#ways.length;
    this.#on({ from: this.#name(leg.index), to: this.#name(next), why });
    if (next === 0) this.#nextRound();
    else this.#use(next);
  }

  #trust(): void {
    this.#doubted = false;
    this.#rounds = 0;
    this.#returnMs = this.#limits.returnMs;
  }

  #nextRound(): void {
    const { roundMs, roundMsMax } = this.#limits;
    const ms = this.#drawn(Math.min(roundMsMax, roundMs * 2 ** Math.min(this.#rounds++, 20)));
    this.#cancelRound = this.#timer.after(ms, () => this.#use(0));
  }

  // --- back to a better way ---

  #planReturn(): void {
    this.#cancelReturn();
    if (this.#closed || !this.#leg || this.#leg.index === 0) return;
    this.#cancelReturn = this.#timer.after(this.#drawn(this.#returnMs), () => this.#tryReturn());
  }

  #tryReturn(): void {
    if (!this.#leg?.up) return;
    if (!this.#quiet) {
      this.#cancelReturn = this.#timer.after(this.#limits.quietMs, () => this.#tryReturn());
      return;
    }
    this.#probe = this.#start(0, (leg) => {
      this.#end(leg);
      this.#probe = undefined;
      this.#returnMs = Math.min(2 * this.#returnMs, this.#limits.returnMsMax);
      this.#planReturn();
    });
  }

  /** The better way is up: the other one is left without a gap, as far as the device can tell. */
  #adopt(leg: Leg): void {
    const former = this.#leg!;
    this.#probe = undefined;
    this.#leg = leg;
    this.#flaps = 0;
    if (!this.#doubted) this.#returnMs = this.#limits.returnMs;
    this.#end(former);
    this.#heard();
    if (former.up) this.#events!.down();
    this.#on({ from: this.#name(former.index), to: this.#name(leg.index), why: 'better' });
  }

  // --- what is asked and heard ---

  #asked(): void {
    this.#quiet = false;
    this.#cancelQuiet();
    this.#cancelQuiet = this.#timer.after(this.#limits.quietMs, () => {
      this.#quiet = true;
    });
    this.#cancelSilent ??= this.#timer.after(this.#limits.silentMs, () => {
      this.#cancelSilent = undefined;
      if (this.#leg?.up) this.#leave(this.#leg, 'silent');
    });
  }

  #heard(): void {
    this.#cancelSilent?.();
    this.#cancelSilent = undefined;
  }

  #end(leg: Leg): void {
    leg.ended = true;
    leg.cancelLate();
    void leg.link.close();
  }

  #name(index: number): string {
    return this.#ways[index]!.name;
  }

  /** Between half and all of it: a fleet whose broker died does not come to the next door at one moment. */
  #drawn(ms: number): number {
    const [high, low] = this.#entropy.random(2) as unknown as [number, number];
    return ms / 2 + (ms / 2) * ((high * 256 + low) / 65_536);
  }
}

/** Refusals of a login, by MQTT's return codes or by name. */
const REFUSED: ReadonlySet<string> = new Set([
  'UNAUTHORIZED',
  'NOT_PERMITTED',
  'REVOKED',
  'UNKNOWN_KEY',
  'BAD_SIGNATURE',
  'BAD_STATEMENT',
]);

const nothing = (): undefined => undefined;
