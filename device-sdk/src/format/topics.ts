/** MQTT topics, all under ota/v1. Lower-case hex; nothing of a device's own making ever enters a topic. */
import { hex, unhex } from './bytes.ts';
import { ID_BYTES } from './rollout.ts';

export const TOPIC_ROOT = 'ota/v1';
/** Retained: the newest signed head, for gateways and auditors. */
export const TOPIC_HEAD = `${TOPIC_ROOT}/log/head`;

/** Device topics: `req` and `status` are published by the device, `frm` and `cmd` by the distribution server. */
export const CHANNELS = ['req', 'frm', 'cmd', 'status'] as const;
export type Channel = (typeof CHANNELS)[number];

/** Retained: the class's announcement. */
export function announceTopic(classId: Uint8Array): string {
  return `${TOPIC_ROOT}/c/${hex(classId)}/announce`;
}

export function deviceTopic(deviceId: Uint8Array, channel: Channel): string {
  return `${TOPIC_ROOT}/d/${hex(deviceId)}/${channel}`;
}

/** Reads `ota/v1/d/<device>/<channel>`; undefined for any other topic. */
export function parseDeviceTopic(topic: string): { deviceId: Uint8Array; channel: Channel } | undefined {
  const match = /^ota\/v1\/d\/([0-9a-f]{32})\/(req|frm|cmd|status)$/.exec(topic);
  const deviceId = match ? unhex(match[1]!) : undefined;
  if (!match || deviceId?.length !== ID_BYTES) return undefined;
  return { deviceId, channel: match[2] as Channel };
}
