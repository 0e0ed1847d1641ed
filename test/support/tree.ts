/** The tree of RFC 9162 by its definition, which the publisher in a pocket builds on too. */
export * from '@countersign/simulator/attacks/pocket/tree';
