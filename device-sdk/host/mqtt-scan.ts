import { demand } from '../src/errors.ts';

/** Packet types of MQTT 3.1.1 section 2.2.1 that this project names. */
export const CONNECT = 1;
export const PUBLISH = 3;

/**
 * Reads only the fixed headers of a stream of MQTT packets (MQTT 3.1.1 section 2.2), so that a packet's declared
 * length is known, and refused, before its body is kept anywhere. Neither aedes, mqtt.js nor mqtt-packet bounds it:
 * 150 MB of CONNECT body were 150 MB of memory, without a login.
 */
export class PacketScanner {
  /** Packets whose header has been seen. */
  packets = 0;
  /** The type of the first packet, 0 before it. */
  firstType = 0;
  /** The largest packet allowed from here on, header included. */
  bytesMax: number;
  #bodyLeft = 0;
  #type = 0;
  #length = 0;
  #digits = -1;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /**
   * Takes the next bytes of the stream, cut anywhere.
   * @throws Refusal TOO_LARGE for a declared length over the limit, MALFORMED for a length of more than four digits
   */
  take(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#bodyLeft > 0) {
        const step = Math.min(this.#bodyLeft, chunk.length - at);
        this.#bodyLeft -= step;
        at += step;
      } else {
        this.#header(chunk[at++]!);
      }
    }
  }

  #header(byte: number): void {
    if (this.#digits < 0) {
      this.#type = byte >> 4;
      this.#length = 0;
      this.#digits = 0;
      return;
    }
    this.#length += (byte & 0x7f) * 128 ** this.#digits;
    this.#digits++;
    if (byte & 0x80) {
      demand(this.#digits < 4, 'MALFORMED', 'an MQTT length has more than four digits');
      return;
    }
    const bytes = 1 + this.#digits + this.#length;
    demand(bytes <= this.bytesMax, 'TOO_LARGE', `an MQTT packet of ${bytes} bytes, at most ${this.bytesMax}`);
    if (this.packets === 0) this.firstType = this.#type;
    this.packets++;
    this.#bodyLeft = this.#length;
    this.#digits = -1;
  }
}
