/**
 * Lines of UTF-8 text out of chunks of bytes, with a bound on the length of one line.
 */
import { AgentError } from "../base/errors.ts";

const LINE_FEED = 0x0a;

/**
 * Yields each line without its end; a last line without one counts, empty lines don't.
 *
 * @param maxBytes Longest line.
 * @throws AgentError `ERR_CONTROL_REQUEST` for a longer line.
 */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let size = 0;
  const take = (): string => {
    const line = Buffer.concat(parts).toString("utf8");
    parts = [];
    size = 0;
    return line;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); ; end = chunk.indexOf(LINE_FEED, from)) {
      const part = chunk.subarray(from, end === -1 ? chunk.length : end);
      size += part.length;
      if (size > maxBytes) {
        throw new AgentError("ERR_CONTROL_REQUEST", `a line is longer than ${maxBytes} bytes`);
      }
      parts.push(part);
      if (end === -1) break;
      from = end + 1;
      const line = take();
      if (line.trim() !== "") yield line;
    }
  }
  const last = take();
  if (last.trim() !== "") yield last;
}
