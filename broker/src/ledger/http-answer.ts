/** JSON from a server that is not trusted: counted while it comes, each member read with its type. */
import { CODES, demand, Refusal } from '@countersign/device-sdk';
import { unhex } from '@countersign/device-sdk/format';

/** A sentence from a hostile server is cut here before it reaches a terminal or a log. */
const TEXT_CHARS_MAX = 512;

/** @throws Refusal TOO_LARGE, UNREACHABLE for what is no JSON */
export async function readJson(response: Response, bytesMax: number): Promise<unknown> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    demand(length <= bytesMax, 'TOO_LARGE', `the answer has more than ${bytesMax} bytes`);
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString());
  } catch (cause) {
    throw new Refusal('UNREACHABLE', `the server answers ${response.status} without JSON`, { cause });
  }
}

/** The refusal a server's answer stands for; another server's page becomes UNREACHABLE. */
export function refusalOf(status: number, body: unknown): Refusal {
  const { code, detail } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const known = CODES.find((item) => item === code);
  if (known && typeof detail === 'string') {
    return new Refusal(known, detail.slice(0, TEXT_CHARS_MAX).replace(/\p{Cc}/gu, ' '));
  }
  return new Refusal(status === 401 ? 'UNAUTHORIZED' : 'UNREACHABLE', `the server answers ${status}`);
}

/** A JSON object: a member of another type than expected makes it no answer (UNREACHABLE). */
export class Answer {
  readonly #members: Record<string, unknown>;

  constructor(value: unknown) {
    demand(typeof value === 'object' && value !== null, 'UNREACHABLE', 'the server did not send an object');
    this.#members = value as Record<string, unknown>;
  }

  any(name: string): unknown {
    return this.#members[name];
  }

  inner(name: string): Answer {
    return new Answer(this.#members[name]);
  }

  text(name: string): string {
    const value = this.#members[name];
    demand(typeof value === 'string', 'UNREACHABLE', `the server sent no text ${name}`);
    return value;
  }

  integer(name: string): number {
    const value = this.#members[name];
    demand(Number.isSafeInteger(value), 'UNREACHABLE', `the server sent no number ${name}`);
    return value as number;
  }

  count(name: string): number {
    const value = this.integer(name);
    demand(value >= 0, 'UNREACHABLE', `the server sent a negative ${name}`);
    return value;
  }

  bytes(name: string, length?: number): Uint8Array {
    return bytesOf(this.#members[name], name, length);
  }

  list(name: string): unknown[] {
    const value = this.#members[name];
    demand(Array.isArray(value), 'UNREACHABLE', `the server sent no list ${name}`);
    return value;
  }

  bytesList(name: string): Uint8Array[] {
    return this.list(name).map((item) => bytesOf(item, name));
  }
}

function bytesOf(value: unknown, name: string, length?: number): Uint8Array {
  const bytes = typeof value === 'string' ? unhex(value) : undefined;
  const fits = bytes !== undefined && (length === undefined || bytes.length === length);
  demand(fits, 'UNREACHABLE', `the server sent no bytes ${name}`);
  return bytes;
}
