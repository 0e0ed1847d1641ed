/** A bounded queue as an operator watches it. */
export interface QueueState {
  /** One of a few fixed words: it becomes a label of a metric. */
  name: string;
  /** What waits now. */
  length: number;
  /** As much as may wait. */
  limit: number;
  /** What was turned away for want of room since the start. */
  dropped: number;
}
