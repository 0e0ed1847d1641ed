import type { Code } from '@countersign/device-sdk';

/** What the broker has seen since it started. */
export interface DeliveryMetrics {
  /** Connections accepted from the network. */
  accepted: number;
  /** Connections open now, and how many of them have logged in. */
  open: number;
  loggedIn: number;
  logins: number;
  /** Connections, packets and subscriptions refused, by reason. BUSY counts dropped messages for slow readers too. */
  denied: Partial<Record<Code, number>>;
  bytesIn: number;
  bytesOut: number;
  packetsIn: number;
  /** Messages handed to subscribers. */
  messagesOut: number;
}

export function noMetrics(): DeliveryMetrics {
  return {
    accepted: 0,
    open: 0,
    loggedIn: 0,
    logins: 0,
    denied: {},
    bytesIn: 0,
    bytesOut: 0,
    packetsIn: 0,
    messagesOut: 0,
  };
}

export function countDenied(metrics: DeliveryMetrics, code: Code): void {
  metrics.denied[code] = (metrics.denied[code] ?? 0) + 1;
}
