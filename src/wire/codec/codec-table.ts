/** The codecs that this process speaks: its own, and those that handler modules bring. */
import { AgentError } from "../../base/errors.ts";
import type { Codec } from "./codec.ts";
import { codecFor } from "./codecs.ts";

/** Type and subtype (RFC 9110 section 8.3.1), lower case, without parameters: go-micro compares exactly. */
const CONTENT_TYPE = /^[a-z0-9!#$&^_.+-]{1,64}\/[a-z0-9!#$&^_.+-]{1,64}$/;

/** Not codecs of ours, but with a meaning in go-micro all the same. */
const RESERVED: ReadonlySet<string> = new Set([
  "text/plain",
  "application/grpc",
  "application/grpc+json",
  "application/grpc+proto",
]);

/** Each costs a look-up only, and a module has a few at most. */
const MAX_CUSTOM = 16;

export class CodecTable {
  readonly #custom = new Map<string, Codec>();

  /** The codec for a content type as it stands in the header; `undefined` if none is spoken. */
  find(contentType: string): Codec | undefined {
    return codecFor(contentType) ?? this.#custom.get(contentType);
  }

  /**
   * Adds a codec of a handler module.
   *
   * @throws AgentError `ERR_HANDLER_MODULE` if its content type is ill-formed, built in, or taken.
   */
  add(codec: Codec): void {
    const { contentType } = codec;
    if (!CONTENT_TYPE.test(contentType)) {
      const shown = JSON.stringify(contentType.slice(0, 80));
      throw fault(`content type ${shown} is not type/subtype in lower case without parameters`);
    }
    if (codecFor(contentType) !== undefined || RESERVED.has(contentType)) {
      throw fault(`${contentType} is built in and can't be replaced`);
    }
    if (this.#custom.has(contentType)) throw fault(`there is a codec for ${contentType} already`);
    if (this.#custom.size >= MAX_CUSTOM) throw fault(`more than ${MAX_CUSTOM} codecs`);
    this.#custom.set(contentType, codec);
  }
}

function fault(message: string): AgentError {
  return new AgentError("ERR_HANDLER_MODULE", message);
}
