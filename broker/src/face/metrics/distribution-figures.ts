import type { Delivery } from '../../distribution/delivery/broker.ts';
import type { Door } from '../../distribution/delivery/door.ts';
import type { Distribution } from '../../distribution/server.ts';
import { by, counter, type Figure, type FigureSource, gauge } from './figures.ts';
import { queueFigures } from './ledger-figures.ts';

export interface DistributionParts {
  distribution: Distribution;
  /** The embedded broker, unless another is used. */
  delivery: Delivery | undefined;
  /** Where devices come by HTTP. */
  door: Pick<Door, 'sessions'> | undefined;
}

/** Devices as this server meets them: sessions, requests, reports, refusals. No figure names a device. */
export function distributionFigures({ distribution, delivery, door }: DistributionParts): FigureSource {
  return {
    part: 'distribution',
    figures() {
      const {
        intake,
        requests,
        queues,
        announced,
        followed,
        connected,
        releases,
        delivery: sent,
      } = distribution.status();
      const { logged, acknowledged, repeated, dropped } = intake;
      return [
        ...queueFigures(queues),
        counter(
          'reports',
          'Reports of devices by what became of them',
          by('result', { logged, acknowledged, repeated, dropped }),
        ),
        counter(
          'requests',
          'Requests of devices by what became of them',
          by('result', { answered: requests.answered, refused: requests.refused, dropped: requests.dropped }),
        ),
        counter('frames_sent', 'Frames sent to devices', requests.frames),
        counter('frame_bytes_sent', 'Bytes of frames sent to devices', requests.frameBytes),
        counter('messages_failed', 'Messages of devices whose handling failed', sent.failed),
        counter('refusals', REFUSALS_HELP, [
          ...by('code', intake.refused, { where: 'reports' }),
          ...by('code', requests.reasons, { where: 'requests' }),
        ]),
        gauge('announced_classes', 'Product classes with an announcement', announced.length),
        gauge('confirmed_releases', 'Releases that this server has signed', releases),
        gauge('followed_entries', 'Entries of the ledger that this server has seen', followed),
        gauge('broker_connected', 'Whether the connection to the MQTT broker stands', connected ? 1 : 0),
        ...(door ? [gauge('device_http_sessions', 'Devices with a session by HTTP', door.sessions)] : []),
        ...(delivery ? brokerFigures(delivery) : []),
      ];
    },
  };
}

export const REFUSALS_HELP = 'Refusals by code and by where they were given';

function brokerFigures(delivery: Delivery): Figure[] {
  const { accepted, open, loggedIn, logins, denied, bytesIn, bytesOut, packetsIn, messagesOut } = delivery.metrics();
  return [
    gauge('mqtt_connections', 'Open connections to the broker', open),
    gauge('mqtt_sessions', 'Of these, logged in', loggedIn),
    counter('mqtt_accepted', 'Connections accepted', accepted),
    counter('mqtt_logins', 'Logins', logins),
    counter('mqtt_bytes', 'Bytes by direction', by('direction', { in: bytesIn, out: bytesOut })),
    counter('mqtt_packets_in', 'Packets received', packetsIn),
    counter('mqtt_messages_out', 'Messages handed to subscribers', messagesOut),
    counter('refusals', REFUSALS_HELP, by('code', denied, { where: 'mqtt' })),
  ];
}
