/**
 * What the distribution server needs of MQTT. It is a client of some broker, ours or another, and trusts none: all that
 * it sends is signed, and all that it receives is checked by the server itself.
 */
import type { QueueState } from '../../queue-state.ts';

/** Takes one message of a device. The id comes from the topic: it names who may be answered, and proves nothing. */
export type DeviceHandler = (deviceId: Uint8Array, bytes: Uint8Array) => void | Promise<void>;

export interface DeliveryCounts {
  /** Messages of devices handed to a handler. */
  received: number;
  /** Messages of devices thrown away because a queue was full. A device asks again, or reports again. */
  dropped: number;
  /** Handlers that threw or rejected. */
  failed: number;
  /** Messages given to the broker. */
  sent: number;
  /** Connections made, the first included. */
  connects: number;
}

export interface DeliveryPort {
  /**
   * Sets the retained announcement of a class: `ota/v1/c/<class>/announce`, QoS 1. It is kept here too and published
   * again on each connection, because a broker may forget its retained messages.
   * @returns true when the broker acknowledged it now; false when it goes out with the next connection. Neither proves
   * that a device saw it.
   * @throws Refusal TOO_LARGE (ANNOUNCEMENT_BYTES_MAX), BUSY (too many classes)
   */
  publishAnnouncement(classId: Uint8Array, bytes: Uint8Array): Promise<boolean>;
  /** Sets the retained newest head: `ota/v1/log/head`, QoS 1. The same rules. */
  publishHead(bytes: Uint8Array): Promise<boolean>;
  /**
   * Sends to one device, unretained: `frm` with QoS 0 (it asks again for what is missing), `cmd` with QoS 1.
   * Await it between messages: it resolves when the socket, or for `cmd` the broker, took the message.
   * @throws Refusal LINK_LOST (not connected), BUSY (too many unfinished sends), TOO_LARGE
   */
  send(deviceId: Uint8Array, channel: 'frm' | 'cmd', bytes: Uint8Array): Promise<void>;
  /** Sets the one handler of requests (topic `req`). Call it before the first await after connecting. */
  onRequest(handler: DeviceHandler): void;
  /** Sets the one handler of reports (topic `status`). */
  onReport(handler: DeviceHandler): void;
  readonly connected: boolean;
  counts(): DeliveryCounts;
  /** Where it has queues of its own. */
  queues?(): QueueState[];
  close(): Promise<void>;
}
