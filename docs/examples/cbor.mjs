// @ts-check
// A handler module for microedge that adds a content type: application/cbor (RFC 8949). It reads and writes
// what JSON can say, and byte strings and 64-bit integers besides. Every endpoint of the agent speaks it.
//
//   [[handlers]]
//   module = "cbor.mjs"           # relative to the configuration file
//   service = "meter"

/** @param {import("./microedge-handlers.d.ts").HandlerSdk} sdk */
export function register({ codec, unary, schema: s }) {
  codec({
    contentType: "application/cbor",
    read,
    write,
    limits: { maxBodyBytes: 65_536, maxDepth: 16, maxStringLength: 4_096, maxKeys: 100 },
    checkRead: (value) =>
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? undefined
        : "expected a map",
  });

  unary("Meter.Sum", {
    kind: "read",
    request: s.strictObject({ samples: s.pipe(s.array(s.number()), s.minLength(1)) }),
    response: s.object({ count: s.number(), sum: s.number() }),
    handle: ({ samples }) => ({
      count: samples.length,
      sum: samples.reduce((sum, sample) => sum + sample, 0),
    }),
  });
}

// CBOR: a head of 3 bits of kind and a number, then what the number counts.
const [UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, , SIMPLE] = [0, 1, 2, 3, 4, 5, 6, 7];
// The agent's limit comes when all is read; whoever recurses looks after the stack.
const MAX_DEPTH = 16;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @param {string} reason @returns {never} */
function bad(reason) {
  throw new SyntaxError(reason); // the agent answers 400 with it; any other error would be a 500
}

/** @param {Uint8Array} bytes */
function read(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;

  /** @param {number} size */
  const take = (size) => {
    if (size > bytes.length - at) bad(`cut off at byte ${at}: ${size} bytes expected`);
    at += size;
    return at - size;
  };

  /** @param {number} detail @returns {number | bigint} */
  const argument = (detail) => {
    if (detail < 24) return detail;
    if (detail === 24) return view.getUint8(take(1));
    if (detail === 25) return view.getUint16(take(2));
    if (detail === 26) return view.getUint32(take(4));
    if (detail !== 27) bad(`byte ${at - 1}: indefinite lengths are not supported`);
    const big = view.getBigUint64(take(8));
    return big <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(big) : big;
  };

  /** @param {number} depth @returns {unknown} */
  const value = (depth) => {
    if (depth > MAX_DEPTH) bad(`nested more than ${MAX_DEPTH} levels deep`);
    const head = view.getUint8(take(1));
    const [kind, detail] = [head >> 5, head & 31];
    if (kind === SIMPLE) return simple(detail);
    const number = argument(detail);
    if (kind === UNSIGNED) return number;
    if (kind === NEGATIVE) return typeof number === "bigint" ? -1n - number : -1 - number;
    const count = Number(number);
    // Nothing is made that the rest of the body can't fill.
    if (count > bytes.length - at) bad(`byte ${at}: ${count} announced, ${bytes.length - at} left`);
    switch (kind) {
      case BYTES:
        return bytes.slice(take(count), at);
      case TEXT:
        return text(count);
      case ARRAY:
        return Array.from({ length: count }, () => value(depth + 1));
      case MAP:
        return map(count, depth);
      default:
        return bad("tags are not supported");
    }
  };

  /** @param {number} count */
  const text = (count) => {
    try {
      return UTF8.decode(bytes.subarray(take(count), at));
    } catch {
      return bad(`the text that ends at byte ${at} is not valid UTF-8`);
    }
  };

  /** @param {number} count @param {number} depth */
  const map = (count, depth) => {
    /** @type {Record<string, unknown>} */
    const members = Object.create(null); // "__proto__" is a name like any other
    for (let index = 0; index < count; index++) {
      const key = value(depth + 1);
      if (typeof key !== "string") return bad("a key of a map is not text");
      if (key in members) bad("a key stands twice in a map");
      members[key] = value(depth + 1);
    }
    return members;
  };

  /** @param {number} detail */
  const simple = (detail) => {
    if (detail === 20) return false;
    if (detail === 21) return true;
    if (detail === 22 || detail === 23) return null;
    if (detail === 26) return view.getFloat32(take(4));
    if (detail === 27) return view.getFloat64(take(8));
    return bad(`simple value ${detail} is not supported`);
  };

  const whole = value(1);
  if (at < bytes.length) bad(`${bytes.length - at} bytes follow the value`);
  return whole;
}

/** @param {import("./microedge-handlers.d.ts").CodecValue} value */
function write(value) {
  return Buffer.concat(pieces(value));
}

/** @param {number} kind @param {number | bigint} number */
function head(kind, number) {
  const bytes = Buffer.alloc(9);
  const first = kind << 5;
  if (number < 24) return bytes.subarray(0, bytes.writeUInt8(first | Number(number)));
  if (number < 0x1_0000_0000) {
    bytes.writeUInt8(first | 26);
    return bytes.subarray(0, bytes.writeUInt32BE(Number(number), 1));
  }
  bytes.writeUInt8(first | 27);
  return bytes.subarray(0, bytes.writeBigUInt64BE(BigInt(number), 1));
}

/** @param {import("./microedge-handlers.d.ts").CodecValue} value @returns {Uint8Array[]} */
function pieces(value) {
  if (value === null) return [Buffer.of(0xf6)];
  if (value === false) return [Buffer.of(0xf4)];
  if (value === true) return [Buffer.of(0xf5)];
  if (typeof value === "bigint" || Number.isSafeInteger(value)) {
    const integer = BigInt(/** @type {number} */ (value));
    return [integer < 0n ? head(NEGATIVE, -1n - integer) : head(UNSIGNED, integer)];
  }
  if (typeof value === "number") {
    const bytes = Buffer.alloc(9, 0xfb);
    bytes.writeDoubleBE(value, 1);
    return [bytes];
  }
  if (typeof value === "string") {
    const bytes = Buffer.from(value);
    return [head(TEXT, bytes.length), bytes];
  }
  if (value instanceof Uint8Array) return [head(BYTES, value.length), value];
  if (Array.isArray(value)) return [head(ARRAY, value.length), ...value.flatMap(pieces)];
  const members = Object.entries(value);
  return [
    head(MAP, members.length),
    ...members.flatMap(([name, member]) => [...pieces(name), ...pieces(member)]),
  ];
}
