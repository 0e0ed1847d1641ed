import { TOPIC_HEAD, TOPIC_ROOT } from '@countersign/device-sdk/format';
import { DISTRIBUTION, REPORTS_FILTER, REQUESTS_FILTER } from './rights.ts';

/**
 * The same table of rights for Mosquitto, as the text of its `acl_file`. Mosquitto cannot check our login statements:
 * let it demand client certificates whose common name is the device id in hex (`require_certificate true`,
 * `use_identity_as_username true`), and `distribution` for the server. It cannot know a device's class either, so a
 * device may read the announcements of all classes; they are signed, and a device refuses another class's.
 *
 * @param revoked device ids in hex. Their connections live on, and carry nothing from the reload of the file on:
 * Mosquitto looks at `deny` before everything that grants.
 */
export function mosquittoAcl(revoked: readonly string[] = []): string {
  return `user ${DISTRIBUTION}
topic read ${REQUESTS_FILTER}
topic read ${REPORTS_FILTER}
topic write ${TOPIC_ROOT}/d/+/frm
topic write ${TOPIC_ROOT}/d/+/cmd
topic write ${TOPIC_ROOT}/c/+/announce
topic write ${TOPIC_HEAD}

pattern write ${TOPIC_ROOT}/d/%u/req
pattern write ${TOPIC_ROOT}/d/%u/status
pattern read ${TOPIC_ROOT}/d/%u/frm
pattern read ${TOPIC_ROOT}/d/%u/cmd
pattern read ${TOPIC_ROOT}/c/+/announce
pattern read ${TOPIC_HEAD}
${revoked.map((id) => `\nuser ${id}\ntopic deny ${TOPIC_ROOT}/#\n`).join('')}`;
}

/** Lines for `mosquitto.conf` that bound what a client may cost it, as our own broker does. */
export const MOSQUITTO_BOUNDS = `max_packet_size 65536
max_queued_messages 32
max_inflight_messages 16
persistent_client_expiration 1h
max_keepalive 1200
`;
