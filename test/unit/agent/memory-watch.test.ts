import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { MemoryWatch } from "#src/agent/memory-watch.ts";
import { MemoryPressure, marksFor } from "#src/guard/memory-marks.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { RecordingLog } from "../../fakes/recording-log.ts";

const MIB = 1024 * 1024;

class Machine implements Disposable {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  anonMib: number | undefined = 20;
  faults = 0;
  collections = 0;
  looks = 0;
  connections = 200;
  idle = 200;
  readonly watch: MemoryWatch;

  constructor(limitMib: number | null = 64) {
    const limitBytes = limitMib === null ? undefined : limitMib * MIB;
    this.watch = new MemoryWatch({
      pressure: new MemoryPressure(limitBytes === undefined ? undefined : marksFor(limitBytes)),
      limitBytes,
      figures: {
        anonymousBytes: () => {
          this.looks++;
          return this.anonMib === undefined ? undefined : this.anonMib * MIB;
        },
        majorFaults: () => this.faults,
        collectGarbage: () => void this.collections++,
      },
      clock: this.clock,
      log: this.log,
      closeIdle: (count) => {
        const closed = Math.min(count, this.idle);
        this.idle -= closed;
        this.connections -= closed;
        return closed;
      },
      open: () => this.connections,
    });
  }

  /** Lets time pass with so many page faults in each second. */
  async pass(seconds: number, faults: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      this.faults += faults;
      await this.clock.advance(1_000);
    }
  }

  get events(): readonly string[] {
    return this.log.lines.map(({ event }) => event);
  }

  [Symbol.dispose](): void {
    this.watch[Symbol.dispose]();
  }
}

suite("memory watch", () => {
  test("looks once a second while memory is far from the marks, five times near them", async () => {
    using machine = new Machine();
    machine.watch.start();
    await machine.clock.advance(10_000);
    assert.equal(machine.looks, 11);
    machine.anonMib = 40;
    await machine.clock.advance(1_000);
    machine.looks = 0;
    await machine.clock.advance(10_000);
    assert.equal(machine.looks, 50);
  });

  test("says each change of level once, and when it is over", async () => {
    using machine = new Machine();
    machine.watch.start();
    machine.anonMib = 40;
    await machine.pass(2, 200); // thrashing alone is told, but does not refuse anybody
    for (const mib of [45, 45, 48, 30]) {
      machine.anonMib = mib;
      await machine.pass(1, 200);
    }
    assert.deepEqual(machine.events, [
      "memory.thrashing",
      "memory.short",
      "memory.short",
      "memory.calm",
    ]);
    assert.deepEqual(machine.log.lines[2]?.fields, {
      anon_bytes: 48 * MIB,
      limit_bytes: 64 * MIB,
      connections: 200,
      pressure: "shedding",
    });
  });

  test("garbage is collected above a mark, and again only after 30 s", async () => {
    using machine = new Machine();
    machine.watch.start();
    await machine.clock.advance(2_000);
    assert.equal(machine.collections, 0);
    machine.anonMib = 57;
    await machine.clock.advance(29_000);
    assert.equal(machine.collections, 1);
    await machine.clock.advance(3_000);
    assert.equal(machine.collections, 2);
  });

  test("when the faults have ended everybody is let in again, though memory stays where it is", async () => {
    using machine = new Machine();
    machine.anonMib = 48;
    machine.watch.start();
    await machine.pass(3, 200);
    assert.equal(machine.watch.view().level, "shedding");
    await machine.pass(1, 0);
    assert.equal(machine.watch.view().level, "shedding", "not at once");
    await machine.pass(4, 0);
    assert.equal(machine.watch.view().level, "calm");
  });

  test("above the last mark idle connections are closed, few at a time, until it is enough", async () => {
    using machine = new Machine();
    machine.anonMib = 57;
    machine.watch.start();
    assert.equal(machine.connections, 192);
    await machine.clock.advance(1_800);
    assert.equal(machine.connections, 192, "what they held takes a moment to come back");
    await machine.clock.advance(2_200);
    assert.equal(machine.connections, 176);
    assert.equal(machine.watch.closed, 24);
    machine.anonMib = 40;
    await machine.clock.advance(1_000);
    assert.equal(machine.connections, 176);
  });

  test("some connections always stay", async () => {
    using machine = new Machine();
    machine.anonMib = 60;
    machine.watch.start();
    await machine.clock.advance(60_000);
    assert.equal(machine.connections, 32);
  });

  test("thrashing is told, with its rate, and not again within a minute", async () => {
    using machine = new Machine();
    machine.anonMib = 40;
    machine.watch.start();
    await machine.pass(30, 200);
    assert.deepEqual(machine.events, ["memory.thrashing"]);
    assert.ok(machine.watch.view().majorFaultsPerSecond >= 180);
    assert.equal(machine.watch.view().majorFaults, 6_000);
  });

  test("page faults with memory to spare are a cold start, not thrashing", async () => {
    using machine = new Machine();
    machine.watch.start();
    await machine.pass(30, 1_000);
    assert.deepEqual(machine.events, []);
    assert.equal(machine.watch.view().level, "calm");
  });

  test("a few page faults are not thrashing", async () => {
    using machine = new Machine();
    machine.watch.start();
    await machine.pass(30, 10);
    assert.deepEqual(machine.events, []);
    assert.equal(machine.watch.view().majorFaultsPerSecond, 10);
  });

  test("without a limit it only counts; without /proc it does nothing", async () => {
    using unlimited = new Machine(null);
    unlimited.anonMib = 5_000;
    unlimited.watch.start();
    await unlimited.clock.advance(10_000);
    assert.deepEqual(unlimited.events, []);
    assert.equal(unlimited.watch.view().limit, undefined);
    using blind = new Machine();
    blind.anonMib = undefined;
    blind.watch.start();
    await blind.clock.advance(10_000);
    assert.equal(blind.looks, 1);
  });

  test("nothing is looked at after it was disposed", async () => {
    const machine = new Machine();
    machine.watch.start();
    machine[Symbol.dispose]();
    await machine.clock.advance(10_000);
    assert.equal(machine.looks, 1);
  });
});
