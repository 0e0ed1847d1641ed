/** The bytes between a child and its gateway (FORMAT, "Local link"): a length, a kind, and what MQTT would carry. */
import { demand } from '../../src/errors.ts';
import { decode, encode } from '../../src/format/cbor.ts';
import { CLASS_BYTES } from '../../src/format/index-entry.ts';
import { ID_BYTES } from '../../src/format/rollout.ts';
import { asArray, asBytes, shown } from '../../src/format/shape.ts';
import { statementBytesMax } from '../../src/format/statement.ts';
import { INBOUND_BYTES_MAX } from '../link.ts';

export const LOCAL_VERSION = 1;

/** child → gateway: who I am, with a login statement for the server. */
export const HELLO = 1;
/** gateway → child: you are known; what follows is yours. */
export const READY = 2;
/** gateway → child: sign another login, please. */
export const ASK_LOGIN = 3;
/** child → gateway: a login statement. */
export const LOGIN = 4;
export const REQUEST = 5;
export const ANSWER = 6;
export const REPORT = 7;
/** gateway → child: the report with this SHA-256 is on my disk. It proves nothing: the server's acknowledgement does. */
export const STORED = 8;
export const ANNOUNCEMENT = 9;
export const COMMAND = 10;
/** gateway → child: a code, and the end of the connection. */
export const REFUSAL = 11;
/** Either: I am here. */
export const PING = 12;
const KIND_MAX = PING;

/** Length and kind. */
export const HEADER_BYTES = 5;
/** An answer is the largest: 24 KB. */
export const CONTENT_BYTES_MAX = INBOUND_BYTES_MAX;
/** A side that has said nothing for so long pings; one that is silent for three of these is gone. */
export const PING_MS = 30_000;
export const SILENT_MS = 3 * PING_MS;

export interface Message {
  kind: number;
  content: Uint8Array;
}

export function encodeMessage(kind: number, content: Uint8Array = new Uint8Array()): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + content.length);
  new DataView(bytes.buffer).setUint32(0, content.length);
  bytes[4] = kind;
  bytes.set(content, HEADER_BYTES);
  return bytes;
}

/** Takes what a socket gives and hands out whole messages. A length is refused before its content is waited for. */
export class MessageReader {
  #kept: Uint8Array = new Uint8Array();

  /** @throws Refusal TOO_LARGE, MALFORMED */
  take(chunk: Uint8Array): Message[] {
    const bytes = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    const found: Message[] = [];
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const length = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0);
      demand(length <= CONTENT_BYTES_MAX, 'TOO_LARGE', `a message of ${length} bytes`);
      const kind = bytes[at + 4]!;
      demand(kind >= HELLO && kind <= KIND_MAX, 'MALFORMED', `a message of kind ${kind}`);
      const end = at + HEADER_BYTES + length;
      if (bytes.length < end) break;
      found.push({ kind, content: new Uint8Array(bytes.subarray(at + HEADER_BYTES, end)) });
      at = end;
    }
    this.#kept = new Uint8Array(bytes.subarray(at));
    return found;
  }
}

export interface Hello {
  deviceId: Uint8Array;
  classId: Uint8Array;
  login: Uint8Array;
}

export function encodeHello({ deviceId, classId, login }: Hello): Uint8Array {
  return encode([LOCAL_VERSION, deviceId, classId, login]);
}

/** @throws Refusal MALFORMED, TOO_LARGE, UNSUPPORTED */
export function readHello(bytes: Uint8Array): Hello {
  demand(bytes.length <= statementBytesMax('login') + 64, 'TOO_LARGE', `a hello of ${bytes.length} bytes`);
  const items = asArray(decode(bytes), 'hello');
  demand(items[0] === LOCAL_VERSION, 'UNSUPPORTED', `local link version ${shown(items[0])}`);
  const [, deviceId, classId, login] = asArray(items, 'hello', 4);
  return {
    deviceId: asBytes(deviceId, 'device id', ID_BYTES),
    classId: asBytes(classId, 'class id', CLASS_BYTES),
    login: asBytes(login, 'login'),
  };
}
