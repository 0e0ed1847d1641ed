/**
 * Second factors of people: one file each, the secret sealed, beside it which step was used last and how often a code
 * was wrong. A step is on the disk as used before anything is done on its strength, so no crash and no clock that jumps
 * back opens it again.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';
import { hex, unhex, utf8 } from '@countersign/device-sdk/format';
import { type Sealed, seal, unseal } from '@countersign/device-sdk/host/sealed';
import { readSecretFile } from '@countersign/device-sdk/host/secret-file';
import { serial } from '../../ledger/serial.ts';
import { makeFolder, writeDurable } from '../../store/durable.ts';
import { SECRET_BYTES, stepOf } from './totp.ts';

const FORMAT = 'countersign-totp-1';
/** Wrong codes in a row until the person has to wait: three codes of a million count at a time. */
export const WRONG_MAX = 5;
/** The first wait. Each further wrong code after it doubles the wait, up to a day: some 40 guesses a month. */
export const WAIT_SECONDS = 15 * 60;
export const WAIT_SECONDS_MAX = 86_400;

interface FactorFile {
  format: typeof FORMAT;
  person: string;
  sealed: Sealed;
  /** Seconds since the epoch. */
  enrolledAt: number;
  /** Steps up to this one are used; -1 for none. */
  lastStep: number;
  wrong: number;
  waitUntil: number;
}

export interface FactorOptions {
  /** Seals the secrets. Without one a key beside them does: that keeps them out of sight, not from a thief of the folder. */
  passphrase?: string | undefined;
  /** Seconds since the epoch. */
  now?: (() => number) | undefined;
}

export interface Factors {
  has(person: string): boolean;
  /**
   * @returns the secret, on the one occasion on which it is shown
   * @throws Refusal EXISTS where the person has one and `renew` is not set; BAD_REQUEST for what is no name
   */
  enrol(person: string, renew: boolean): Promise<Uint8Array>;
  /** @throws Refusal BAD_FACTOR, FACTOR_USED, LOCKED_OUT */
  check(person: string, code: string | undefined): Promise<void>;
}

/** @param folder made at the first enrolment */
export function openFactors(folder: string, options: FactorOptions = {}): Factors {
  const now = options.now ?? (() => Math.floor(Date.now() / 1000));
  const pathOf = (person: string) => join(folder, `${checkName(person)}.json`);
  const secrets = new Map<string, Uint8Array>();
  // Two requests with one code at the same time: the second sees the step as used.
  const inTurn = serial();

  return {
    has: (person) => existsSync(pathOf(person)),
    enrol: (person, renew) => inTurn(() => enrol(person, renew)),
    check: (person, code) => inTurn(() => check(person, code)),
  };

  async function enrol(person: string, renew: boolean): Promise<Uint8Array> {
    const path = pathOf(person);
    demand(renew || !existsSync(path), 'EXISTS', `${person} has a second factor; --renew replaces it`);
    await makeFolder(folder, 0o700);
    const secret = new Uint8Array(randomBytes(SECRET_BYTES));
    const sealed = await seal(secret, await passphrase(), contextOf(person));
    await store(path, {
      ...{ format: FORMAT, person, sealed, enrolledAt: now(), lastStep: -1, wrong: 0, waitUntil: 0 },
    });
    secrets.set(person, secret);
    return secret;
  }

  async function check(person: string, code: string | undefined): Promise<void> {
    const path = pathOf(person);
    const file = await read(path, person);
    // Asked without a code, nothing is guessed and nothing is counted.
    demand(code !== undefined, 'BAD_FACTOR', `this needs ${person}'s one-time code: --code DIGITS`);
    const wait = file.waitUntil - now();
    demand(wait <= 0, 'LOCKED_OUT', `${person} gave ${file.wrong} wrong codes: again in ${wait} seconds`);
    const step = stepOf(await secretOf(person, file), code, now());
    if (step === undefined) {
      await store(path, afterWrong(file, now()));
      throw new Refusal('BAD_FACTOR', `that is not ${person}'s one-time code of this minute`);
    }
    demand(step > file.lastStep, 'FACTOR_USED', `this code, or a later one, was used: wait for ${person}'s next`);
    await store(path, { ...file, lastStep: step, wrong: 0, waitUntil: 0 });
  }

  async function secretOf(person: string, { sealed }: FactorFile): Promise<Uint8Array> {
    const secret = secrets.get(person) ?? (await unseal(sealed, await passphrase(), contextOf(person)));
    secrets.set(person, secret);
    return secret;
  }

  async function passphrase(): Promise<string> {
    return options.passphrase ?? ownKey(join(folder, 'seal.key'));
  }
}

function afterWrong(file: FactorFile, now: number): FactorFile {
  const wrong = file.wrong + 1;
  const doubled = WAIT_SECONDS * 2 ** Math.min(wrong - WRONG_MAX, 10);
  const waitUntil = wrong < WRONG_MAX ? 0 : now + Math.min(doubled, WAIT_SECONDS_MAX);
  return { ...file, wrong, waitUntil };
}

async function ownKey(path: string): Promise<string> {
  if (!existsSync(path)) await writeDurable(path, utf8(hex(randomBytes(32))), { mode: 0o600, exclusive: true });
  return new TextDecoder().decode(await readSecretFile(path));
}

/** The contract's rule for names; no separator passes, so a name never leaves the folder. */
function checkName(person: string): string {
  demand(/^[a-z0-9][a-z0-9._-]{0,31}$/.test(person), 'BAD_REQUEST', 'that is no name of a person');
  return person;
}

function contextOf(person: string): Uint8Array {
  return utf8(JSON.stringify([FORMAT, person]));
}

async function store(path: string, file: FactorFile): Promise<void> {
  await writeDurable(path, utf8(`${JSON.stringify(file)}\n`), { mode: 0o600 });
}

async function read(path: string, person: string): Promise<FactorFile> {
  const bytes = await readSecretFile(path);
  try {
    const file = JSON.parse(new TextDecoder().decode(bytes)) as FactorFile;
    const numbers = [file.lastStep, file.wrong, file.waitUntil];
    const good = file.format === FORMAT && file.person === person && numbers.every(Number.isSafeInteger);
    demand(good && unhex(file.sealed.text), 'BAD_STORE', `${path} is not ${person}'s second factor`);
    return file;
  } catch {
    // The cause would quote the file.
    throw new Refusal('BAD_STORE', `${path} is not ${person}'s second factor`);
  }
}
