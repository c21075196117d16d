/**
 * How much a stream of this process reads ahead, or takes to write, before it says that it is enough.
 */
import { setDefaultHighWaterMark } from "node:stream";

/** One TLS record. Node.js would take four. */
const STREAM_BYTES = 16 * 1024;

/**
 * Makes all streams that are created from now on keep less. A connection that is not read for a moment
 * keeps up to this much more than it must, and so does one whose peer reads nothing: with Node's own
 * 64 KiB two hundred of them take 40 MiB more. For sockets there is no setting of their own: TLS makes
 * them.
 */
export function keepSmallBuffers(): void {
  setDefaultHighWaterMark(false, STREAM_BYTES);
}
