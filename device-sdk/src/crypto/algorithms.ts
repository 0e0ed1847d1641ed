/** Ed25519, fully specified COSE algorithm (RFC 9864). */
export const ED25519 = -19;
/** ECDSA on P-256 with SHA-256, fully specified COSE algorithm (RFC 9864); signatures are raw r || s. */
export const ESP256 = -9;
