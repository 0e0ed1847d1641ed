/** The small ledger with everybody in it, which the attack suite brings. */
export * from '@countersign/simulator/attacks/server/ledger-world';
