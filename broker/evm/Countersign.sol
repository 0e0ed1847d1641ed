// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The order of a Countersign ledger, kept by an EVM chain.
/// @notice Repository nodes propose releases and vote on them; k votes of nodes that still stand put a release into its
/// product's version index, one after another without a gap, each naming the one before it. Every other statement (device
/// reports, approvals, rollouts) takes its place by a batch: a Merkle root, a count and the digest of the file that holds
/// the statements. The statements themselves are not here. What they mean is decided by those who replay them in the order
/// of this contract's events; nothing on a device trusts this contract alone.
/// @dev No proxy, no owner's back door to history, no ether, no calls to other contracts, no loop over storage: sets of
/// nodes and votes are bits of one word. docs/design/evm.md says what was rejected.
contract Countersign {
    struct Proposal {
        bytes32 product;
        bytes32 parent;
        uint64 sequence;
        bool confirmed;
        /// One bit per node id. Whether a vote still counts is asked when votes are counted, not when they are cast.
        uint256 votes;
    }

    struct Head {
        bytes32 release;
        uint64 sequence;
    }

    /// More bases than this the manifest does not know either.
    uint256 public constant CONTENTS_MAX = 16;
    /// A CIDv1 with a SHA-256 has 36 bytes; 64 leave room for a longer digest.
    uint256 public constant CID_BYTES_MAX = 64;
    /// Statements in one batch: those of one block of the ledger.
    uint256 public constant BATCH_COUNT_MAX = 512;
    /// An id is a bit and is never given twice, or a new node would inherit the votes of an old one.
    uint256 public constant NODES_EVER_MAX = 256;

    /// Enrols and retires nodes, sets k, appoints brakes and the recorder, lets go of a brake. In earnest a multi-signature contract.
    address public governor;
    address public offeredGovernor;
    /// Brings the batches. One at a time: its transactions follow one another by their nonces, so that it knows, before it
    /// pays for an entry, after which others the entry will stand. It can keep an entry back; it cannot change the order.
    address public recorder;
    /// Bits of the nodes that stand.
    uint256 public activeNodes;
    uint16 public nodesEver;
    /// Votes that confirm a release.
    uint16 public threshold;
    /// Number of the last event below that has one. Whoever reads 7 after 5 has lost an event.
    uint64 public position;
    /// Batches so far.
    uint64 public batches;

    /// Node id plus one, so that 0 means: never enrolled, or retired.
    mapping(address => uint256) private nodeIds;
    mapping(address => bool) public isBrake;
    /// By product; under 0 for all of them.
    mapping(bytes32 => bool) public paused;
    /// Batches by digest: sent twice, because a node did not answer, one counts once.
    mapping(bytes32 => bool) public recorded;
    mapping(bytes32 => Head) public heads;
    mapping(bytes32 => Proposal) public proposals;
    /// The version index: product, sequence, release leaf.
    mapping(bytes32 => mapping(uint64 => bytes32)) public versions;

    event NodeEnrolled(uint64 position, address indexed node, uint256 id);
    event NodeRetired(uint64 position, address indexed node, uint256 id);
    event ThresholdSet(uint64 position, uint16 threshold);
    event BrakeSet(uint64 position, address indexed brake, bool on);
    event GovernorSet(uint64 position, address indexed governor);
    event RecorderSet(uint64 position, address indexed recorder);
    event Proposed(
        uint64 position,
        bytes32 indexed product,
        bytes32 indexed release,
        uint64 sequence,
        bytes32 parent,
        bytes32 statement,
        address node
    );
    /// Where the bytes of a release are found: one event for each diff or image, with its CID.
    event Content(uint64 position, bytes32 indexed product, bytes32 indexed release, bytes cid);
    event Voted(uint64 position, bytes32 indexed product, bytes32 indexed release, address node, uint256 standing);
    event Confirmed(uint64 position, bytes32 indexed product, bytes32 indexed release, uint64 sequence, bytes32 parent);
    event Batch(uint64 position, uint64 indexed number, bytes32 root, bytes32 digest, uint16 count);
    event Paused(uint64 position, bytes32 indexed product, bytes32 statement, address by);
    event Resumed(uint64 position, bytes32 indexed product, bytes32 statement);

    error NotPermitted(address sender);
    error BadValue(string what);
    error BadThreshold(uint256 asked, uint256 nodes);
    error TooManyNodes();
    error NodeStands(address node);
    error NotANode(address node);
    error ReleaseExists(bytes32 release);
    error ReleaseUnknown(bytes32 release);
    error ReleaseConfirmed(bytes32 release);
    error OutOfOrder(uint64 expected, uint64 got);
    error WrongParent(bytes32 expected, bytes32 got);
    error VotedAlready(bytes32 release, address node);
    error TooFewVotes(uint256 standing, uint256 needed);
    error BatchExists(bytes32 digest);
    error ProductPaused(bytes32 product);
    error PausedAlready(bytes32 product);
    error NotPaused(bytes32 product);

    modifier onlyGovernor() {
        if (msg.sender != governor) revert NotPermitted(msg.sender);
        _;
    }

    modifier onlyNode() {
        if (nodeIds[msg.sender] == 0) revert NotPermitted(msg.sender);
        _;
    }

    /// @param nodes the first repository nodes; @param k votes that confirm a release
    constructor(address[] memory nodes, uint16 k, address[] memory brakes, address recorder_) {
        governor = msg.sender;
        emit GovernorSet(next(), msg.sender);
        for (uint256 i = 0; i < nodes.length; i++) enrol(nodes[i]);
        for (uint256 i = 0; i < brakes.length; i++) setBrakeTo(brakes[i], true);
        setThresholdTo(k);
        setRecorderTo(recorder_);
    }

    // Releases

    /// @notice Puts a release up for the vote of the nodes.
    /// @param parent the product's last confirmed release, 0 before the first
    /// @param release leaf hash of the signed release; @param statement leaf hash of the upload that brought it
    /// @param cids content ids of its diffs and images, binary
    function propose(
        bytes32 product,
        uint64 sequence,
        bytes32 parent,
        bytes32 release,
        bytes32 statement,
        bytes[] calldata cids
    ) external onlyNode {
        if (product == 0) revert BadValue("product");
        if (release == 0) revert BadValue("release");
        if (statement == 0) revert BadValue("statement");
        if (cids.length > CONTENTS_MAX) revert BadValue("cids");
        checkRuns(product);
        checkContinues(product, sequence, parent);
        if (proposals[release].product != 0) revert ReleaseExists(release);
        proposals[release] = Proposal(product, parent, sequence, false, 0);
        emit Proposed(next(), product, release, sequence, parent, statement, msg.sender);
        for (uint256 i = 0; i < cids.length; i++) {
            if (cids[i].length == 0 || cids[i].length > CID_BYTES_MAX) revert BadValue("cid");
            emit Content(next(), product, release, cids[i]);
        }
    }

    /// @notice A node says: I hold the release and its contents, and I have checked them. The k-th vote confirms.
    function vote(bytes32 release) external onlyNode {
        Proposal storage proposal = checkOpen(release);
        uint256 bit = 1 << (nodeIds[msg.sender] - 1);
        if (proposal.votes & bit != 0) revert VotedAlready(release, msg.sender);
        proposal.votes |= bit;
        uint256 standing = count(proposal.votes & activeNodes);
        emit Voted(next(), proposal.product, release, msg.sender, standing);
        if (standing >= threshold) confirm(release, proposal);
    }

    /// @notice Counts once more, after k was lowered: nobody can vote twice, so otherwise nobody could.
    function settle(bytes32 release) external onlyNode {
        Proposal storage proposal = checkOpen(release);
        uint256 standing = count(proposal.votes & activeNodes);
        if (standing < threshold) revert TooFewVotes(standing, threshold);
        confirm(release, proposal);
    }

    /// @notice Votes for a release by nodes that stand today.
    function standingVotes(bytes32 release) external view returns (uint256) {
        return count(proposals[release].votes & activeNodes);
    }

    function confirm(bytes32 release, Proposal storage proposal) private {
        proposal.confirmed = true;
        heads[proposal.product] = Head(release, proposal.sequence);
        versions[proposal.product][proposal.sequence] = release;
        emit Confirmed(next(), proposal.product, release, proposal.sequence, proposal.parent);
    }

    function checkOpen(bytes32 release) private view returns (Proposal storage proposal) {
        proposal = proposals[release];
        if (proposal.product == 0) revert ReleaseUnknown(release);
        if (proposal.confirmed) revert ReleaseConfirmed(release);
        checkRuns(proposal.product);
        // Another release may have been confirmed since this one was proposed: then it has to be signed and proposed anew.
        checkContinues(proposal.product, proposal.sequence, proposal.parent);
    }

    function checkContinues(bytes32 product, uint64 sequence, bytes32 parent) private view {
        Head storage head = heads[product];
        if (parent != head.release) revert WrongParent(head.release, parent);
        if (sequence != head.sequence + 1) revert OutOfOrder(head.sequence + 1, sequence);
    }

    // Statements

    /// @notice Gives `count_` statements their place in the order, as one batch.
    /// @param root RFC 9162 tree over them; @param digest SHA-256 of the file that holds them
    function record(bytes32 root, bytes32 digest, uint16 count_) external {
        if (msg.sender != recorder) revert NotPermitted(msg.sender);
        if (root == 0 || digest == 0) revert BadValue("batch");
        if (count_ == 0 || count_ > BATCH_COUNT_MAX) revert BadValue("count");
        if (recorded[digest]) revert BatchExists(digest);
        recorded[digest] = true;
        // The brake does not stop this: what devices report, and the order to stop itself, must come through.
        emit Batch(next(), ++batches, root, digest, count_);
    }

    // Brake

    /// @notice Stops proposals and votes of a product, or of all with 0. A brake stops; only the governor lets go.
    function pause(bytes32 product, bytes32 statement) external {
        if (!isBrake[msg.sender] && msg.sender != governor) revert NotPermitted(msg.sender);
        if (paused[product]) revert PausedAlready(product);
        paused[product] = true;
        emit Paused(next(), product, statement, msg.sender);
    }

    function resume(bytes32 product, bytes32 statement) external onlyGovernor {
        if (!paused[product]) revert NotPaused(product);
        paused[product] = false;
        emit Resumed(next(), product, statement);
    }

    function checkRuns(bytes32 product) private view {
        if (paused[0]) revert ProductPaused(0);
        if (paused[product]) revert ProductPaused(product);
    }

    // Nodes and roles

    function isNode(address node) external view returns (bool) {
        return nodeIds[node] != 0;
    }

    function nodeCount() external view returns (uint256) {
        return count(activeNodes);
    }

    function enrolNode(address node) external onlyGovernor {
        enrol(node);
    }

    /// @notice From now on the node's votes on open proposals count no more. What was confirmed stays.
    function retireNode(address node) external onlyGovernor {
        uint256 id = nodeIds[node];
        if (id == 0) revert NotANode(node);
        uint256 left = count(activeNodes) - 1;
        if (left < threshold) revert BadThreshold(threshold, left);
        nodeIds[node] = 0;
        activeNodes &= ~(1 << (id - 1));
        emit NodeRetired(next(), node, id - 1);
    }

    function setThreshold(uint16 k) external onlyGovernor {
        setThresholdTo(k);
    }

    function setBrake(address brake, bool on) external onlyGovernor {
        setBrakeTo(brake, on);
    }

    /// @notice From now on another account brings the batches, or none with 0.
    function setRecorder(address recorder_) external onlyGovernor {
        setRecorderTo(recorder_);
    }

    /// @notice The new governor has to accept, so that the role cannot be lost to a mistyped address.
    function offerGovernor(address to) external onlyGovernor {
        offeredGovernor = to;
    }

    function acceptGovernor() external {
        if (msg.sender != offeredGovernor) revert NotPermitted(msg.sender);
        governor = msg.sender;
        offeredGovernor = address(0);
        emit GovernorSet(next(), msg.sender);
    }

    function enrol(address node) private {
        if (node == address(0)) revert BadValue("node");
        if (nodeIds[node] != 0) revert NodeStands(node);
        if (nodesEver == NODES_EVER_MAX) revert TooManyNodes();
        uint256 id = nodesEver++;
        nodeIds[node] = id + 1;
        activeNodes |= 1 << id;
        emit NodeEnrolled(next(), node, id);
    }

    function setThresholdTo(uint16 k) private {
        uint256 nodes = count(activeNodes);
        if (k == 0 || k > nodes) revert BadThreshold(k, nodes);
        threshold = k;
        emit ThresholdSet(next(), k);
    }

    function setBrakeTo(address brake, bool on) private {
        if (brake == address(0)) revert BadValue("brake");
        isBrake[brake] = on;
        emit BrakeSet(next(), brake, on);
    }

    function setRecorderTo(address recorder_) private {
        recorder = recorder_;
        emit RecorderSet(next(), recorder_);
    }

    function next() private returns (uint64) {
        return ++position;
    }

    /// @dev Bits set in a word: in pairs, fours and bytes side by side; the product gathers the bytes in the uppermost.
    /// All 256 at once would overflow that byte, so the two halves are counted apart.
    function count(uint256 bits) private pure returns (uint256) {
        return countHalf(bits >> 128) + countHalf(bits & type(uint128).max);
    }

    function countHalf(uint256 x) private pure returns (uint256) {
        unchecked {
            x -= (x >> 1) & 0x55555555555555555555555555555555;
            x = (x & 0x33333333333333333333333333333333) + ((x >> 2) & 0x33333333333333333333333333333333);
            x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f;
            return ((x * 0x01010101010101010101010101010101) >> 120) & 0xff;
        }
    }
}
