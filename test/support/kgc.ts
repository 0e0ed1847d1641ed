/** A key generation centre in memory, honest or not. */
export { type Centre, type Issued, issueTo, newCentre } from '@countersign/simulator/attacks/centre';
