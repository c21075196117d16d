/**
 * CPU of the codecs alone: no socket, no handler. Run by hand: `./scripts/node test/bench/wire-codec.ts`.
 *
 * First, microseconds to read and to write `microedge.Echo`, beside the library's own JSON and
 * protobuf. Then, what a hostile body costs at 1 MiB and at 4 MiB; four times the bytes may cost
 * about four times as much: the exit code is 1 if one costs more than {@link MAX_GROWTH} times.
 */
import {
  create,
  type DescMessage,
  fromBinary,
  fromJsonString,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { CODECS } from "#src/wire/codec/codecs.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import { TreeSchema } from "../fakes/gen/kinds_pb.ts";

const MAX_GROWTH = 8;
const ROUNDS = 5;

/** Microseconds of CPU per run, the best of some rounds. */
function cpuMicros(runs: number, run: () => unknown): number {
  for (let warm = 0; warm < runs; warm++) run();
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    for (let index = 0; index < runs; index++) run();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / runs);
  }
  return best;
}

const echo = messageShape(EchoSchema, { bytesField: "data" });
const envelope = { endpoint: "Agent.Echo", id: "12345" };
const messages = {
  "100 B": create(EchoSchema, {
    text: "thirty characters of some text",
    seq: 9007199254740993n,
    data: Uint8Array.of(1, 2, 3, 4, 5, 6),
  }),
  "10 KiB text": create(EchoSchema, { text: "lorem ipsum ".repeat(853), seq: 7n }),
  "10 KiB data": create(EchoSchema, { data: new Uint8Array(10_240).fill(7), seq: 7n }),
};

const costs: Record<string, string | number>[] = [];
const addCost = (body: string, by: string, read: number, write: number): void => {
  const [r, w, sum] = [read, write, read + write].map((value) => value.toFixed(2));
  costs.push({ body, by, "read us": r ?? "", "write us": w ?? "", "both us": sum ?? "" });
};
for (const [body, message] of Object.entries(messages)) {
  const runs = body === "100 B" ? 50_000 : 3_000;
  for (const codec of Object.values(CODECS)) {
    const request = codec.writeRequest(message, echo, envelope);
    const read = cpuMicros(runs, () => codec.readRequest(request, echo));
    const write = cpuMicros(runs, () => codec.writeReply(message, echo, envelope));
    addCost(body, codec.name, read, write);
  }
  const json = Buffer.from(toJsonString(EchoSchema, message));
  addCost(
    body,
    "library JSON",
    cpuMicros(runs, () => fromJsonString(EchoSchema, json.toString("utf8"))),
    cpuMicros(runs, () => Buffer.from(toJsonString(EchoSchema, message))),
  );
  const binary = toBinary(EchoSchema, message);
  addCost(
    body,
    "library protobuf",
    cpuMicros(runs, () => fromBinary(EchoSchema, binary)),
    cpuMicros(runs, () => toBinary(EchoSchema, message)),
  );
}
console.table(costs);

const MIB = 1024 * 1024;
const fill = (text: string, size: number): string => text.repeat(Math.ceil(size / text.length));
const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));
interface Hostile {
  readonly desc: DescMessage;
  readonly codec: "json" | "protobuf";
  body(size: number): Uint8Array;
}
const json = (body: (size: number) => string): Hostile => ({
  desc: EchoSchema,
  codec: "json",
  body: (size) => ascii(body(size)),
});
const hostile: Record<string, Hostile> = {
  digits: json((size) => fill("7", size)),
  "digits in a string": json((size) => `{"seq":"${fill("7", size)}"}`),
  "long numbers": json((size) => `[${fill(`${"7".repeat(1000)},`, size)}1]`),
  brackets: json((size) => fill("[", size)),
  "empty objects": json((size) => `[${fill("{},", size)}{}]`),
  backslashes: json((size) => `{"text":"${fill("\\\\", size)}"}`),
  "backslashes, no end": json((size) => `"${fill("\\\\", size)}\\"`),
  "escaped quotes": json((size) => `{"text":"${fill('\\"', size)}"}`),
  "escaped letters": json((size) => `{"text":"${fill("\\u0041", size)}"}`),
  "short strings": json((size) => `["${fill('abc","', size)}"]`),
  "white space": json((size) => `${fill(" ", size)}{}`),
  "base64, last wrong": json((size) => `{"data":"${fill("AAEC", size)}!"}`),
  "a long name": json((size) => `{"${fill("n", size)}":1}`),
  "nested messages": {
    desc: TreeSchema,
    codec: "protobuf",
    body: (size) => Buffer.alloc(size, Buffer.of(0x1a, 0)),
  },
  "unknown fields": {
    desc: TreeSchema,
    codec: "protobuf",
    body: (size) => Buffer.alloc(size, Buffer.of(0x28, 1)),
  },
  "text not UTF-8": {
    desc: TreeSchema,
    codec: "protobuf",
    body: (size) =>
      Buffer.concat([Buffer.alloc(size, Buffer.of(0x0a, 2, 0x61, 0x62)), Buffer.of(0x0a, 1, 0xff)]),
  },
};

const growths: Record<string, string | number>[] = [];
let worst = 0;
for (const [what, { desc, codec, body }] of Object.entries(hostile)) {
  const shape = messageShape(desc);
  const cost = (bytes: Uint8Array): number =>
    cpuMicros(3, () => {
      try {
        return CODECS[codec].readRequest(bytes, shape);
      } catch (error) {
        return error;
      }
    });
  const [small, large] = [cost(body(MIB)), cost(body(4 * MIB))];
  // Below a millisecond it is refused at its beginning; the ratio would be that of noise.
  const growth = large < 1000 ? 1 : large / Math.max(small, 1);
  worst = Math.max(worst, growth);
  growths.push({
    what,
    "1 MiB ms": (small / 1000).toFixed(2),
    "4 MiB ms": (large / 1000).toFixed(2),
    growth: growth.toFixed(1),
  });
}
console.table(growths);
if (worst > MAX_GROWTH) process.exitCode = 1;
