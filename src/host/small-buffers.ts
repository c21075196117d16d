/**
 * How much a stream of this process reads ahead, or takes to write, before it says that it is enough,
 * and how large the slabs are that Node.js cuts small buffers from.
 */
import { Buffer } from "node:buffer";
import { setDefaultHighWaterMark } from "node:stream";

/** One TLS record. Node.js would take four. */
const STREAM_BYTES = 16 * 1024;
/** Node.js would take 64 KiB. Buffers above half of it have memory of their own, and no more than they need. */
const SLAB_BYTES = 8 * 1024;

/**
 * Makes all streams that are created from now on keep less. A connection that is not read for a moment
 * keeps up to this much more than it must, and so does one whose peer reads nothing: with Node's own
 * 64 KiB two hundred of them take 40 MiB more. For sockets there is no setting of their own: TLS makes
 * them.
 *
 * Small buffers share slabs, and a slab lives as long as one of them: a reply that waits, or that no
 * collection has looked at yet, keeps the whole of it. In a flood 120 slabs of 64 KiB were kept.
 */
export function keepSmallBuffers(): void {
  setDefaultHighWaterMark(false, STREAM_BYTES);
  Buffer.poolSize = SLAB_BYTES;
}
