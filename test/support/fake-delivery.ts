/** The delivery without a network, which the attack suite brings. */
export * from '@countersign/simulator/attacks/server/fake-delivery';
