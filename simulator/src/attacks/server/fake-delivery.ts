/** A delivery without a network: what is published and sent is kept, and devices speak by calling it. */
import type { DeliveryPort, DeviceHandler } from '@countersign/broker/distribution/delivery/port';
import { Refusal } from '@countersign/device-sdk';
import { type Answer, encodeRequest, hex, type Request, readAnswer } from '@countersign/device-sdk/format';

export interface Sent {
  deviceId: string;
  channel: 'frm' | 'cmd';
  bytes: Uint8Array;
}

export class FakeDelivery implements DeliveryPort {
  /** By class id in hex. */
  readonly announced = new Map<string, Uint8Array>();
  announcements = 0;
  head: Uint8Array | undefined;
  readonly sent: Sent[] = [];
  connected = true;
  #request: DeviceHandler = () => undefined;
  #report: DeviceHandler = () => undefined;
  readonly #waiting = new Set<() => void>();

  async publishAnnouncement(classId: Uint8Array, bytes: Uint8Array): Promise<boolean> {
    this.announced.set(hex(classId), bytes);
    this.announcements++;
    this.#changed();
    return true;
  }

  async publishHead(bytes: Uint8Array): Promise<boolean> {
    this.head = bytes;
    this.#changed();
    return true;
  }

  async send(deviceId: Uint8Array, channel: 'frm' | 'cmd', bytes: Uint8Array): Promise<void> {
    if (!this.connected) throw new Refusal('LINK_LOST', 'the test has cut the link');
    this.sent.push({ deviceId: hex(deviceId), channel, bytes });
    this.#changed();
  }

  onRequest(handler: DeviceHandler): void {
    this.#request = handler;
  }

  onReport(handler: DeviceHandler): void {
    this.#report = handler;
  }

  counts() {
    return { received: 0, dropped: 0, failed: 0, sent: this.sent.length, connects: 1 };
  }

  async close(): Promise<void> {}

  /** A device asks; all that is answered to it until the handler is done. */
  async ask(deviceId: Uint8Array, request: Request | Uint8Array): Promise<Answer[]> {
    const before = this.sent.length;
    await this.#request(deviceId, request instanceof Uint8Array ? request : encodeRequest(request));
    const own = this.sent.slice(before).filter((item) => item.deviceId === hex(deviceId) && item.channel === 'frm');
    return own.map(({ bytes }) => readAnswer(bytes));
  }

  async report(deviceId: Uint8Array, bytes: Uint8Array): Promise<void> {
    await this.#report(deviceId, bytes);
  }

  /** Resolves as soon as `holds` is true; it is looked at after each message. */
  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
    });
  }

  #changed(): void {
    for (const look of [...this.#waiting]) look();
  }
}
