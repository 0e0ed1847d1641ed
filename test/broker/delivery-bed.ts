/** The broker with enrolled devices and the client without manners, which the attack suite brings. */
export * from '@countersign/simulator/attacks/server/delivery-bed';
