/** Reads JSON that people write: strictly, and with the place of what is wrong in the refusal. */
import { demand, Refusal } from '../src/errors.ts';
import type { Argv } from './command.ts';

/** One object of a profile. Every field is asked for; what nobody has asked for in the end is a mistake. */
export class Fields {
  readonly #where: string;
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #asked = new Set<string>();

  /** @throws Refusal BAD_REQUEST */
  constructor(value: unknown, where: string) {
    const good = typeof value === 'object' && value !== null && !Array.isArray(value);
    demand(good, 'BAD_REQUEST', `${where} is an object`);
    this.#values = value as Record<string, unknown>;
    this.#where = where;
  }

  has(name: string): boolean {
    this.#asked.add(name);
    return this.#values[name] !== undefined;
  }

  text(name: string, fallback?: string): string {
    const value = this.#value(name, fallback);
    demand(typeof value === 'string' && value !== '', 'BAD_REQUEST', `${this.#at(name)} is a text`);
    return value;
  }

  optionalText(name: string): string | undefined {
    return this.has(name) ? this.text(name) : undefined;
  }

  oneOf<T extends string>(name: string, values: readonly T[], fallback?: T): T {
    const value = this.text(name, fallback);
    const found = values.find((item) => item === value);
    demand(found !== undefined, 'BAD_REQUEST', `${this.#at(name)} is one of ${values.join(', ')}`);
    return found;
  }

  whole(name: string, least: number, most: number, fallback?: number): number {
    const value = this.#value(name, fallback);
    const good = Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
    demand(good, 'BAD_REQUEST', `${this.#at(name)} is a whole number from ${least} to ${most}`);
    return value as number;
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.#value(name, fallback);
    demand(typeof value === 'boolean', 'BAD_REQUEST', `${this.#at(name)} is true or false`);
    return value;
  }

  texts(name: string): string[] {
    const value = this.#value(name);
    const good = Array.isArray(value) && value.every((item) => typeof item === 'string' && item !== '');
    demand(good, 'BAD_REQUEST', `${this.#at(name)} is a list of texts`);
    return value;
  }

  pair(name: string, fallback?: readonly [string, string]): readonly [string, string] {
    if (fallback && !this.has(name)) return fallback;
    const [first, second, ...more] = this.texts(name);
    const good = first !== undefined && second !== undefined && more.length === 0 && first !== second;
    demand(good, 'BAD_REQUEST', `${this.#at(name)} has two different texts`);
    return [first, second];
  }

  /** A program and its arguments: one text would need a shell to take it apart. */
  command(name: string): Argv {
    const [program, ...more] = this.texts(name);
    demand(program !== undefined, 'BAD_REQUEST', `${this.#at(name)} is a list: the program, then its arguments`);
    return [program, ...more];
  }

  optionalCommand(name: string): Argv | undefined {
    return this.has(name) ? this.command(name) : undefined;
  }

  fields(name: string): Fields {
    return new Fields(this.#value(name), this.#at(name));
  }

  list(name: string): Fields[] {
    const value = this.#value(name);
    demand(Array.isArray(value), 'BAD_REQUEST', `${this.#at(name)} is a list`);
    return value.map((item, i) => new Fields(item, `${this.#at(name)}[${i}]`));
  }

  /** Names of a table whose keys are not known beforehand. */
  names(): string[] {
    return Object.keys(this.#values);
  }

  /** @throws Refusal BAD_REQUEST for a field that nobody knows: a typo must not be a silent default */
  done(): void {
    const unknown = Object.keys(this.#values).find((name) => !this.#asked.has(name));
    demand(unknown === undefined, 'BAD_REQUEST', `${this.#where} has no field ${unknown}`);
  }

  #value(name: string, fallback?: unknown): unknown {
    const value = this.has(name) ? this.#values[name] : fallback;
    if (value === undefined) throw new Refusal('BAD_REQUEST', `${this.#at(name)} is missing`);
    return value;
  }

  #at(name: string): string {
    return `${this.#where}.${name}`;
  }
}
