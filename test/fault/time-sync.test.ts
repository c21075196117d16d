/**
 * What the machine's time services say of the clock. The answers are those of chronyd 4.3, recorded once
 * with a clock that was passed on without having been set, and once with none; a set clock differs from
 * the first in its reference alone.
 */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { readBootTimeMs } from "#src/host/boot-time.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemRandom } from "#src/host/random.ts";
import { readTimeSync, type TimeSync, type TimeSyncOptions } from "#src/host/time-sync.ts";

const directory = mkdtempSync(join(tmpdir(), "microedge-time-"));
after(() => rmSync(directory, { recursive: true, force: true }));

const zeros = (digits: number): string => "0".repeat(digits);
/** Reference 192.0.2.1 in place of the local clock's 127.127.1.1, where asked for. */
const tracking = (set: boolean): string =>
  `0602000000210005000000000000000001020304${zeros(16)}${set ? "c0000201" : "7f7f0101"}${zeros(40)}000a0000000000006b0314e035df1de5${zeros(84)}`;
const TRACKING_NEVER_SET = `0602000000210005000000000000000001020304${zeros(64)}00000003${zeros(96)}`;
const ntp = (set: boolean): string =>
  `240a00e60000000000000000${set ? "c0000201" : "7f7f0101"}eead9360e76065410102030405060708eead93789061822feead937890678bd8`;
const NTP_NEVER_SET =
  "e40000e600010000000100000000000000000000000000000102030405060708eead9378909fce3beead937890a2a592";

type Reply = (request: Buffer) => readonly Uint8Array[];

/** Repeats what the request carries where the protocol says so. */
const chrony =
  (hex: string, change: (bytes: Buffer) => void = () => undefined): Reply =>
  (request) => {
    const bytes = Buffer.from(hex.padEnd(208, "0"), "hex");
    request.copy(bytes, 16, 8, 12);
    change(bytes);
    return [bytes];
  };
const server =
  (hex: string, change: (bytes: Buffer) => void = () => undefined): Reply =>
  (request) => {
    const bytes = Buffer.from(hex, "hex");
    request.copy(bytes, 24, 40, 48);
    change(bytes);
    return [bytes];
  };

/** Asks a service that answers so. */
async function ask(reply: Reply, port: "chronyPort" | "ntpPort"): Promise<TimeSync> {
  const socket = createSocket("udp4");
  socket.on("message", (request, { port: to, address }) => {
    for (const bytes of reply(request)) socket.send(bytes, to, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  // A port that nobody answers on: bound and closed again.
  const closed = createSocket("udp4").bind(0, "127.0.0.1");
  await once(closed, "listening");
  const dead = closed.address().port;
  closed.close();
  const options: TimeSyncOptions = {
    clock: systemClock,
    random: systemRandom,
    timesyncFile: join(directory, "absent"),
    chronyPort: dead,
    ntpPort: dead,
    timeoutMs: 1000,
    [port]: socket.address().port,
  };
  try {
    return await readTimeSync(options);
  } finally {
    socket.close();
  }
}

suite("time services", () => {
  const rows: readonly {
    why: string;
    port: "chronyPort" | "ntpPort";
    reply: Reply;
    words: RegExp;
    set: boolean;
  }[] = [
    {
      why: "chronyd has set it",
      port: "chronyPort",
      reply: chrony(tracking(true)),
      words: /set by chronyd/,
      set: true,
    },
    {
      why: "chronyd passes on a clock that nobody set",
      port: "chronyPort",
      reply: chrony(tracking(false)),
      words: /chronyd runs and has not/,
      set: false,
    },
    {
      why: "chronyd has not",
      port: "chronyPort",
      reply: chrony(TRACKING_NEVER_SET),
      words: /chronyd runs and has not/,
      set: false,
    },
    {
      why: "an answer to another question",
      port: "chronyPort",
      reply: chrony(tracking(true), (bytes) => bytes.writeUInt8((bytes[16] ?? 0) ^ 1, 16)),
      words: /no time service/,
      set: false,
    },
    {
      why: "chronyd refuses to say",
      port: "chronyPort",
      reply: chrony(tracking(true), (bytes) => bytes.writeUInt16BE(2, 8)),
      words: /no time service/,
      set: false,
    },
    {
      why: "a later protocol",
      port: "chronyPort",
      reply: chrony(tracking(true), (bytes) => bytes.writeUInt8(7, 0)),
      words: /no time service/,
      set: false,
    },
    {
      why: "ntpd has set it",
      port: "ntpPort",
      reply: server(ntp(true)),
      words: /set by the NTP server/,
      set: true,
    },
    {
      why: "ntpd passes on a clock that nobody set",
      port: "ntpPort",
      reply: server(ntp(false)),
      words: /has not set it yet/,
      set: false,
    },
    {
      why: "ntpd has not",
      port: "ntpPort",
      reply: server(NTP_NEVER_SET),
      words: /has not set it yet/,
      set: false,
    },
    {
      why: "stratum 16 means not set",
      port: "ntpPort",
      reply: server(ntp(true), (bytes) => bytes.writeUInt8(16, 1)),
      words: /has not set it yet/,
      set: false,
    },
    {
      why: "an answer to nobody",
      port: "ntpPort",
      reply: server(ntp(true), (bytes) => bytes.fill(0, 24, 32)),
      words: /no time service/,
      set: false,
    },
    {
      why: "our own question, sent back",
      port: "ntpPort",
      reply: (request) => [request],
      words: /no time service/,
      set: false,
    },
    {
      why: "a cut-off answer, then the whole one",
      port: "ntpPort",
      reply: (request) => [Buffer.alloc(47), ...server(ntp(true))(request)],
      words: /set by the NTP/,
      set: true,
    },
    { why: "nothing", port: "ntpPort", reply: () => [], words: /no time service/, set: false },
  ];
  for (const { why, port, reply, words, set } of rows) {
    test(why, async () => {
      const sync = await ask(reply, port);
      assert.equal(sync.synchronised, set);
      assert.match(sync.words, words);
    });
  }

  test("systemd-timesyncd leaves a file when it has set the clock", async () => {
    const timesyncFile = join(directory, "synchronized");
    const options = {
      clock: systemClock,
      random: systemRandom,
      timesyncFile,
      timeoutMs: 50,
      address: "127.0.0.2",
    };
    assert.equal((await readTimeSync(options)).words, "no time service says that it has set it");
    writeFileSync(timesyncFile, "");
    const { synchronised, words } = await readTimeSync(options);
    assert.deepEqual([synchronised, words], [true, "set by systemd-timesyncd"]);
  });
});

suite("boot time", () => {
  test("goes on like monotonic time on a machine that does not sleep", () => {
    const before = [readBootTimeMs(), systemClock.monotonicMs()] as const;
    const boot = readBootTimeMs();
    assert.ok(boot !== undefined && before[0] !== undefined && boot >= before[0]);
    assert.ok(boot - before[0] <= systemClock.monotonicMs() - before[1] + 20);
  });
  for (const { why, text } of [
    { why: "empty", text: "" },
    { why: "not a number", text: "up 3 days" },
  ]) {
    test(`is not told by a file that is ${why}`, () => {
      const path = join(directory, "uptime");
      writeFileSync(path, text);
      assert.equal(readBootTimeMs(path), undefined);
    });
  }
  test("is not told where there is no such file", () =>
    assert.equal(readBootTimeMs(join(directory, "absent")), undefined));
});
