/** A bundle of what the publisher in the pocket publishes, which the attack suite brings. */
export { pocketBundle, writeBundle } from '@countersign/simulator/attacks/pocket/bundle';
