import {
  announceTopic,
  deviceTopic,
  hex,
  REQUEST_BYTES_MAX,
  TOPIC_HEAD,
  TOPIC_ROOT,
} from '@countersign/device-sdk/format';

/** Who is on a connection, after its login. */
export type Principal = { role: 'distribution' } | { role: 'device'; deviceId: Uint8Array; classId: Uint8Array };

/** The client id and user name of the distribution server. A device's are its id in hex, so neither can be the other. */
export const DISTRIBUTION = 'distribution';

/** What the distribution server listens to, and nobody else. */
export const REQUESTS_FILTER = `${TOPIC_ROOT}/d/+/req`;
export const REPORTS_FILTER = `${TOPIC_ROOT}/d/+/status`;

/** Answers why not, or undefined where it is allowed. */
export interface Rights {
  readonly clientId: string;
  publish(message: { topic: string; qos: number; retain: boolean; bytes: number }): string | undefined;
  subscribe(filter: string, qos: number): string | undefined;
}

/**
 * The whole table of rights. Everything not named is forbidden: `$SYS` and `$share`, wildcards for devices, other
 * devices' topics, retained messages of devices, QoS 2 for all.
 */
export function rightsOf(principal: Principal): Rights {
  return principal.role === 'device' ? deviceRights(principal) : distributionRights();
}

function deviceRights({ deviceId, classId }: { deviceId: Uint8Array; classId: Uint8Array }): Rights {
  const request = deviceTopic(deviceId, 'req');
  const report = deviceTopic(deviceId, 'status');
  const filters = [deviceTopic(deviceId, 'frm'), deviceTopic(deviceId, 'cmd'), announceTopic(classId), TOPIC_HEAD];
  return {
    clientId: hex(deviceId),
    publish({ topic, qos, retain, bytes }) {
      if (topic !== request && topic !== report) return 'a device publishes to its own req and status only';
      if (retain) return 'a device may not retain';
      if (topic === request && bytes > REQUEST_BYTES_MAX) return `a request of ${bytes} bytes`;
      return qos > 1 ? NO_QOS_2 : undefined;
    },
    subscribe(filter, qos) {
      if (!filters.includes(filter)) return 'a device subscribes to its own frm and cmd, its class and the head only';
      return qos > 1 ? NO_QOS_2 : undefined;
    },
  };
}

function distributionRights(): Rights {
  return {
    clientId: DISTRIBUTION,
    publish({ topic, qos, retain }) {
      const retained = topic === TOPIC_HEAD || ANNOUNCE.test(topic);
      if (!retained && !TO_DEVICE.test(topic)) return 'the distribution server does not publish there';
      if (retain !== retained) return retained ? 'this topic is retained' : 'this topic is not retained';
      return qos > 1 ? NO_QOS_2 : undefined;
    },
    subscribe(filter, qos) {
      if (filter !== REQUESTS_FILTER && filter !== REPORTS_FILTER)
        return 'the distribution server hears req and status';
      return qos > 1 ? NO_QOS_2 : undefined;
    },
  };
}

const NO_QOS_2 = 'QoS 2 keeps state for a message that a signed statement makes idempotent anyway';
const ANNOUNCE = /^ota\/v1\/c\/[0-9a-f]{32}\/announce$/;
const TO_DEVICE = /^ota\/v1\/d\/[0-9a-f]{32}\/(frm|cmd)$/;
