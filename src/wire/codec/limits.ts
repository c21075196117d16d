/**
 * Bounds on one body, beside its size (which `rpc.max_body_bytes` bounds before it comes here). They
 * keep what a body grows into in memory within a few times what it took on the wire: four bytes of
 * `[[],[],...` or of an empty nested message otherwise become forty to two hundred.
 */

/** Arrays and objects inside one another in JSON, messages inside one another in protobuf. */
export const MAX_DEPTH = 64;

/**
 * Members and elements in one JSON text; repeated, map and message fields in one protobuf message. The program's heap is
 * 24 MiB: 50,000 members with long names just fit beside what it needs itself, 100,000 ended it.
 */
export const MAX_VALUES = 25_000;

/** Numbers in packed fields of one protobuf message: they cost less than other values. */
export const MAX_PACKED_NUMBERS = 200_000;
