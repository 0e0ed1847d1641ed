/** BSDIFF40, the patch format of bsdiff 4 and bsdiff-node: read from anyone, written for anyone. Devices do not take it. */
export { APPLY_BYTES, applyBsdiff40, type Bsdiff40Ports } from './apply.ts';
export { copiesOfBsdiff40 } from './copies.ts';
export { isBsdiff40 } from './header.ts';
export { writeBsdiff40 } from './write.ts';
