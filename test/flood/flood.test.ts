/**
 * A flood against the built single executable under a memory limit: as a device has it, with cold pages
 * of the program charged to its group, and the storage's read-ahead at 128 KiB. "Alive" is no pass:
 * before the kernel kills a process for want of memory, it waits for its own pages and answers nobody.
 *
 * What fits where is worked out in `src/agent/capacity.ts` and told in `docs/memory.md`. Each device is
 * flooded for a minute, half of it without a limit to compare; TEST_FULL=1 floods for ten.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { suite, test } from "node:test";
import { EXECUTABLE } from "../fakes/agent-process.ts";
import { FULL, hasCommand, without } from "../fakes/needs.ts";
import { type ColdDisk, makeColdDisk, mayMakeDisk } from "./cold-disk.ts";
import { type FloodResult, flood } from "./flood-run.ts";
import { mayLimitMemory, removeStaleGroups } from "./memory-group.ts";

const GENERATOR = resolve(import.meta.dirname, "../../build/peers/bench-flood");
const ROUNDS = 3;
const ROUND_SECONDS = 10;
const LONG_SECONDS = 600;
/**
 * Times are only compared of runs that had the CPU to themselves: where others take more than this part of
 * it, a pair of runs is repeated, so many times in all.
 */
const ROBBED_AT_MOST = 0.2;
const TRIES = 6;
const P99_RATIO = 2;
/** Two turns of the event loop in such a flood; what is below this is nobody's trouble. */
const P99_FLOOR_US = 10_000;
/** Anonymous memory may grow by so much, MiB, in the second half of a long flood. */
const FLAT_MIB = 3;

interface Device {
  readonly why: string;
  readonly limitMib: number;
  readonly held: number;
  readonly ballast: boolean;
  readonly limits: string;
}

/** 48 that flood and some 20 that dawdle come on top of those that are held. */
const DEVICES: readonly Device[] = [
  {
    why: "64 MiB, defaults, no MQTT client, 100 connections held",
    limitMib: 64,
    held: 100,
    ballast: false,
    limits: "memory_limit_mib = 64",
  },
  {
    why: "84 MiB, with what an MQTT client takes, 200 connections held",
    limitMib: 84,
    held: 200,
    ballast: true,
    limits: "memory_limit_mib = 84\nmax_connections = 280",
  },
];

const reason =
  without("bench-flood (scripts/peers)", existsSync(GENERATOR)) ||
  without("the single executable (npm run build)", existsSync(EXECUTABLE)) ||
  without("root with a memory control group", mayLimitMemory()) ||
  without("a loop device, or mkfs.ext4", mayMakeDisk() && hasCommand("mkfs.ext4"));

suite("a flood under a memory limit", { skip: reason }, () => {
  removeStaleGroups();
  for (const device of DEVICES) {
    test(device.why, async () => {
      using disk = makeColdDisk(EXECUTABLE);
      const ratios: number[] = [];
      for (let tries = 0; ratios.length < ROUNDS; tries++) {
        assert.ok(tries < TRIES, "this machine is too busy to compare times on");
        const limited = await run(disk, device, device.limitMib, ROUND_SECONDS);
        tell(`with ${device.limitMib} MiB`, limited);
        check(limited);
        const free = await run(disk, device, undefined, ROUND_SECONDS);
        tell("without a limit", free);
        if (Math.max(limited.robbed, free.robbed) > ROBBED_AT_MOST) continue;
        ratios.push(
          Math.max(limited.behaved.p99Us, P99_FLOOR_US) /
            Math.max(free.behaved.p99Us, P99_FLOOR_US),
        );
      }
      ratios.sort((a, b) => a - b);
      console.log(
        `  p99 to that without a limit, from 10 ms on: ${ratios.map((x) => x.toFixed(2))}`,
      );
      assert.ok((ratios[1] ?? Infinity) <= P99_RATIO, `p99 ratios ${ratios}`);
    });
  }

  if (FULL) {
    test("the larger one for ten minutes", async () => {
      const [, device] = DEVICES;
      assert.ok(device !== undefined);
      using disk = makeColdDisk(EXECUTABLE);
      const result = await run(disk, device, device.limitMib, LONG_SECONDS);
      tell(`ten minutes with ${device.limitMib} MiB`, result);
      check(result);
      assert.ok(result.anonEnd - result.anonMiddle < FLAT_MIB, "memory is flat");
    });
  }
});

function run(
  disk: ColdDisk,
  { held, ballast, limits }: Device,
  limitMib: number | undefined,
  seconds: number,
): Promise<FloodResult> {
  return flood({ disk, limitMib, held, ballast, seconds, limits });
}

/** The figures, for whoever reads the run. */
function tell(what: string, result: FloodResult): void {
  const { behaved, counts, held, heldAnswered } = result;
  const mib = [result.anonHeld, result.anonPeak, result.anonEnd].map((size) => size.toFixed(0));
  const ms = [behaved.p50Us, behaved.p99Us].map((us) => (us / 1000).toFixed(0));
  console.log(
    `  ${what}: ${counts["flood:ok"]} times four calls, ${counts["handshake:ok"]} handshakes; ` +
      `anonymous MiB held, peak, end ${mib.join(", ")}; ` +
      `${result.faultsPerSecond.toFixed(0)} major faults a second; ` +
      `${(result.robbed * 100).toFixed(0)} % of the CPU taken by others; p50, p99 ${ms.join(", ")} ms; ` +
      `${heldAnswered} of ${held} held answer (cgroup v${result.cgroup})`,
  );
}

function check(result: FloodResult): void {
  assert.equal(result.kills, 0, "the kernel killed nobody");
  assert.equal(result.exit, 0, "the agent stopped when it was asked to, and well");
  assert.equal(result.heldAnswered, result.held, "every held connection answers afterwards");
  assert.equal(result.counts["flood:timeout"] ?? 0, 0, "no call of an admitted flooder timed out");
  assert.equal(result.counts["flood:wrong"] ?? 0, 0);
  assert.equal(result.counts["behaved:timeout"] ?? 0, 0, "nor one of the peer that behaves");
  assert.equal(result.counts["behaved:closed"] ?? 0, 0, "whose connection stayed");
  assert.ok((result.counts["behaved:ok"] ?? 0) > 0, "and which was answered");
  assert.ok((result.counts["flood:ok"] ?? 0) > 100, "it was a flood");
  assert.ok((result.counts["handshake:ok"] ?? 0) > 5, "of handshakes, too");
}
