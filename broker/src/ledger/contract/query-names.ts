/** Queries of the contract. Arguments and results are strings and plain JSON, as Fabric's evaluate has them. */
export type QueryName =
  /** (key) newest first: [{leafHash, leafIndex, time, action, signer, value}]; release leaf, class, device or rollout id, person */
  | 'getHistory'
  /** (leafHash) one release; ([classId]) all of a product */
  | 'getRelease'
  | 'listReleases'
  | 'getProduct'
  | 'listProducts'
  | 'getDevice'
  /** ([classId]) */
  | 'listDevices'
  | 'getGrant'
  /** ([classId]) */
  | 'listGrants'
  | 'getPerson'
  | 'listPeople'
  | 'getRollout'
  /** ([classId]) */
  | 'listRollouts'
  /** (classId) the class's entry in the index, with rolloutId and statementLeaf */
  | 'getIndexEntry'
  /** (release leaf) the newest trial record */
  | 'getTrial'
  /** (device or product, id) which passport is the newest */
  | 'getPassport'
  /** ([classId]) of its devices and its own */
  | 'listPassports'
  /** (thumbprint) the identity of an implicit key with its points; () all, convicted first */
  | 'getIssuedKey'
  | 'listIssuedKeys'
  /** (object digest in hex, [kind]) {previous} for the next transaction on it; kind `download` for the next download */
  | 'getPrevious'
  /** () where the order comes from: {outside}, null where it is decided here; a mirror answers in the contract's place */
  | 'getOrder'
  /** (rolloutId) totals derived from the reports of the class's devices */
  | 'getTotals';
