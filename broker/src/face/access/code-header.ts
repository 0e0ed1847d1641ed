/** Carries the one-time code of a second factor. */
export const CODE_HEADER = 'countersign-code';
