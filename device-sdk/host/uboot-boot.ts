/**
 * Boot control of U-Boot, by its environment. Every change is one write of the environment. Two styles:
 *
 * `upgrade`: U-Boot counts `bootcount` itself while `upgrade_available` is 1 (CONFIG_BOOTCOUNT_ENV), and runs
 * `altbootcmd` beyond `bootlimit`, which goes back to the other slot.
 * `order`: the boot script takes the first slot of `BOOT_ORDER` whose `BOOT_x_LEFT` is not 0, and counts that down
 * before the jump.
 */
import { readFileSync } from 'node:fs';
import { Refusal } from '../src/errors.ts';
import type { BootControl, SlotNumber } from '../src/ports.ts';
import type { EnvChange, UbootEnv } from './uboot-env.ts';

/** Names of variables that a board has chosen otherwise. */
export interface UbootNames {
  /** `upgrade`: the slot that boots. Default `boot_slot`. */
  slot?: string;
  available?: string;
  count?: string;
  /** `order`: default `BOOT_ORDER`. */
  order?: string;
  /** `order`: `BOOT_A_LEFT` is before + slot + after. Defaults `BOOT_` and `_LEFT`. */
  leftBefore?: string;
  leftAfter?: string;
  /** `order`: the slot that is on trial; the boot script does not look at it. Default `countersign_trial`. */
  trial?: string;
}

export interface UbootBootOptions {
  env: UbootEnv;
  style: 'upgrade' | 'order';
  /** Which slot booted: what the kernel was told ({@link slotFromFile}), or what the board knows. */
  running: () => SlotNumber;
  /** What the slots are called in the environment. Default `A` and `B`. */
  slots?: readonly [string, string];
  /** `order`: boots that a slot gets. Default 3. */
  attemptsMax?: number;
  names?: UbootNames;
  /** Restarts the machine. */
  restart: () => void;
}

const NAMES: Required<UbootNames> = {
  slot: 'boot_slot',
  available: 'upgrade_available',
  count: 'bootcount',
  order: 'BOOT_ORDER',
  leftBefore: 'BOOT_',
  leftAfter: '_LEFT',
  trial: 'countersign_trial',
};

export class UbootBoot implements BootControl {
  readonly #env: UbootEnv;
  readonly #style: Style;
  readonly #restart: () => void;
  readonly #running: SlotNumber;

  /** Asks once which slot booted: nothing changes that until the next boot. */
  constructor(options: UbootBootOptions) {
    const { env, running, restart, slots = ['A', 'B'], attemptsMax = 3 } = options;
    const names = { ...NAMES, ...options.names };
    this.#env = env;
    this.#restart = restart;
    this.#running = running();
    this.#style = options.style === 'order' ? orderStyle(names, slots, attemptsMax) : upgradeStyle(names, slots);
  }

  /** To be called once after every boot: gives the confirmed slot back the boots that the loader has counted down. */
  boot(): SlotNumber {
    if (!this.onTrial()) this.#change((env) => this.#style.booted(env, this.#running));
    return this.#running;
  }

  running(): SlotNumber {
    return this.#running;
  }

  onTrial(): boolean {
    return this.#style.trial(this.#env.read()) === this.#running;
  }

  setTrial(slot: SlotNumber): void {
    if (slot === this.#running) throw new RangeError(`slot ${slot} is running`);
    this.#change((env) => this.#style.setTrial(env, slot));
  }

  confirm(): void {
    if (this.onTrial()) this.#change((env) => this.#style.confirm(env, this.#running));
  }

  markUnbootable(slot: SlotNumber): void {
    if (slot === this.#running) throw new RangeError(`slot ${slot} is running`);
    this.#change((env) => this.#style.goBack(env, this.#running));
  }

  restart(): void {
    this.#restart();
  }

  /** What is so already is not written again: an environment in flash wears. */
  #change(make: (env: ReadonlyMap<string, string>) => EnvChange): void {
    const env = this.#env.read();
    const wanted = Object.entries(make(env)).filter(([name, value]) => (env.get(name) ?? '') !== (value ?? ''));
    if (wanted.length > 0) this.#env.change(Object.fromEntries(wanted));
  }
}

type Env = ReadonlyMap<string, string>;

interface Style {
  /** The slot that is on trial or about to be. */
  trial(env: Env): SlotNumber | undefined;
  setTrial(env: Env, slot: SlotNumber): EnvChange;
  confirm(env: Env, running: SlotNumber): EnvChange;
  /** The other slot must not boot: this one does. */
  goBack(env: Env, running: SlotNumber): EnvChange;
  /** A slot that is not on trial has booted. */
  booted(env: Env, running: SlotNumber): EnvChange;
}

function upgradeStyle({ slot: name, available, count }: Required<UbootNames>, slots: readonly [string, string]): Style {
  return {
    trial: (env) => (env.get(available) === '1' ? slotNamed(slots, env.get(name)) : undefined),
    setTrial: (_env, slot) => ({ [name]: slots[slot], [available]: '1', [count]: '0' }),
    confirm: () => ({ [available]: '0', [count]: '0' }),
    goBack: (_env, running) => ({ [name]: slots[running], [available]: '0', [count]: '0' }),
    booted: () => ({}),
  };
}

function orderStyle(names: Required<UbootNames>, slots: readonly [string, string], attemptsMax: number): Style {
  const left = (slot: SlotNumber) => `${names.leftBefore}${slots[slot]}${names.leftAfter}`;
  const order = (first: SlotNumber) => `${slots[first]} ${slots[other(first)]}`;
  const full = String(attemptsMax);
  return {
    trial: (env) => slotNamed(slots, env.get(names.trial)),
    setTrial: (_env, slot) => ({ [names.order]: order(slot), [left(slot)]: full, [names.trial]: slots[slot] }),
    confirm: (_env, running) => ({ [left(running)]: full, [names.trial]: undefined }),
    goBack: (_env, running) => ({
      [names.order]: order(running),
      [left(other(running))]: '0',
      [left(running)]: full,
      [names.trial]: undefined,
    }),
    booted: (_env, running) => ({ [left(running)]: full }),
  };
}

function slotNamed(slots: readonly [string, string], name: string | undefined): SlotNumber | undefined {
  const index = slots.indexOf(name ?? '');
  return index === 0 || index === 1 ? index : undefined;
}

function other(slot: SlotNumber): SlotNumber {
  return slot === 0 ? 1 : 0;
}

/**
 * Which slot booted, by a word that the loader gave the kernel: `root=/dev/mmcblk0p2` in /proc/cmdline, for instance.
 * @throws Refusal BAD_STORE where neither or both words are there
 */
export function slotFromFile(words: readonly [string, string], path = '/proc/cmdline'): SlotNumber {
  const found = readFileSync(path, 'utf8').trim().split(/\s+/);
  const [first, second] = words.map((word) => found.includes(word));
  if (first === second) throw new Refusal('BAD_STORE', `${path} names neither slot, or both: ${words.join(', ')}`);
  return first ? 0 : 1;
}
