import assert from "node:assert/strict";
import { test } from "node:test";
import { SILENT } from "#src/base/log.ts";
import { openIntentQueue } from "#src/queue/open-intent-queue.ts";
import { type NewReport, openReportBook } from "#src/rotation/report-book.ts";
import { parseReports } from "#src/rotation/report-note.ts";
import { NOTHING_TOLD } from "#src/rotation/report-transitions.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { FakeRandom } from "../../fakes/fake-random.ts";
import { PowerDisk } from "../../fakes/power-disk.ts";

const REPORT: NewReport = {
  ...{ device: "roof-7", kind: "generation", outcome: "in-force", generation: 1 },
  ...{ at: 1, vouched: true, serial: "01", fingerprint: "00", notAfter: 2, origin: "import" },
  reasons: [],
};

test("a report that is dropped while the note of the next one is being written counts as lost", async () => {
  const clock = new FakeClock();
  await using queue = await openIntentQueue({
    ...{ path: "/state/queue/log", disk: new PowerDisk(), epoch: "e", device: "roof-7" },
    ...{ clock, random: new FakeRandom(1), log: SILENT },
  });
  let note: Uint8Array | undefined;
  let beforeWrite = async (): Promise<void> => undefined;
  using book = await openReportBook(
    {
      readNote: async () => note,
      writeNote: async (_name, bytes) => {
        await beforeWrite();
        note = bytes;
      },
    },
    queue,
  );
  await book.keep([REPORT], { ...NOTHING_TOLD, current: 1 });
  beforeWrite = async () => {
    beforeWrite = async () => undefined;
    await queue.drop("report-1");
  };
  await book.keep([REPORT], { ...NOTHING_TOLD, current: 2 });
  assert.equal(book.lost, 1);
  assert.equal(parseReports(note ?? new Uint8Array())?.lost, 1, "so that a restart knows it");
});
