/** Every bound of the embedded broker, with its reason. Tests and large sites set others. */
export interface DeliveryLimits {
  /** Connections at once. aedes needs 14 to 18 KB for each. */
  connections: number;
  /** Connections that have not logged in yet, from everywhere. Each may hold a read buffer of 64 KB. */
  strangers: number;
  /** The same from one address. A site behind one address comes back after a power cut all at once. */
  strangersPerAddress: number;
  /** From the first byte, or the TLS handshake, to the verified login. */
  loginMs: number;
  /** Bytes read from a connection before its login: a CONNECT with a login statement has about 300. */
  strangerBytes: number;
  /** Largest packet of a device: a report has less than 1 KB. */
  devicePacketBytes: number;
  /** Largest packet of the distribution server: an announcement has about 11 KB, an answer 24 KB. */
  serverPacketBytes: number;
  /** A device may send so many packets a second for ever, and `packetsBurst` at once. Above that it is read slower. */
  packetsPerSecond: number;
  packetsBurst: number;
  bytesPerSecond: number;
  bytesBurst: number;
  /** A device that would have to wait longer than this for its own flood is disconnected. */
  debtMs: number;
  /** Unsent bytes kept for one device: a full window of frames is 32 × 4 KB. What comes on top is dropped. */
  backlogBytes: number;
  /** The same for the distribution server, who hears every device. */
  serverBacklogBytes: number;
  /** A connection that takes nothing for this long is closed. It delays nobody meanwhile. */
  drainMs: number;
  /** Retained topics: one for each class and the head. Each subscription walks them all. */
  retainedTopics: number;
  /** Longest keep-alive of a device. Without one a dead connection would stay for ever. */
  keepaliveSeconds: number;
  /** Close waits so long for connections to end. */
  closeMs: number;
}

export const DEFAULT_LIMITS: Readonly<DeliveryLimits> = {
  connections: 20_000,
  strangers: 4_096,
  strangersPerAddress: 1_024,
  loginMs: 10_000,
  strangerBytes: 4_096,
  devicePacketBytes: 4_096,
  serverPacketBytes: 65_536,
  packetsPerSecond: 200,
  packetsBurst: 400,
  bytesPerSecond: 65_536,
  bytesBurst: 131_072,
  debtMs: 4_000,
  backlogBytes: 262_144,
  serverBacklogBytes: 8_388_608,
  drainMs: 3_000,
  retainedTopics: 1_025,
  keepaliveSeconds: 1_200,
  closeMs: 2_000,
};

/** @throws RangeError for a limit that is not a positive whole number */
export function withDefaults(limits: Partial<DeliveryLimits> = {}): Readonly<DeliveryLimits> {
  const all = { ...DEFAULT_LIMITS, ...limits };
  for (const [name, value] of Object.entries(all)) {
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`limit ${name} is ${value}`);
  }
  return all;
}
