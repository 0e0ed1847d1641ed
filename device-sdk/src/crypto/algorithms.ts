/** Ed25519, fully specified COSE algorithm (RFC 9864). */
export const ED25519 = -19;
/** ECDSA on P-256 with SHA-256, fully specified COSE algorithm (RFC 9864); signatures are raw r || s. */
export const ESP256 = -9;
/** Length of an implicit ESP256 key: SHA-256 of its certificate, point (33), key of the centre (65). No other key is as long. */
export const IMPLICIT_KEY_BYTES = 130;
