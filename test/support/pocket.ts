/** The publisher in a pocket, which the attack suite brings: keys, log, index, rollouts and answers in memory. */
export * from '@countersign/simulator/attacks/pocket/link';
export * from '@countersign/simulator/attacks/pocket/publisher';
export * from '@countersign/simulator/attacks/pocket/release';
export * from '@countersign/simulator/attacks/pocket/roots';
export * from '@countersign/simulator/attacks/pocket/time';
