/** A time statement signed by OpenSSL, as `docs/time.md` tells an operator to do it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseFleetKey } from "#src/identity/time/time-statement.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { hasCommand, without } from "../fakes/needs.ts";
import { timeRig } from "../fakes/trusted-time.ts";

const skip = without("openssl", hasCommand("openssl"));
const directory = mkdtempSync(join(tmpdir(), "microedge-fleet-"));
after(() => rmSync(directory, { recursive: true, force: true }));

/** The commands of the page, in order. */
const commands = [...readFileSync("docs/time.md", "utf8").matchAll(/^(openssl [^#\n]+)/gm)].map(
  ([, command = ""]) => command.trim(),
);
const run = (command: string): string =>
  execFileSync("bash", ["-c", command], { cwd: directory, encoding: "utf8", stdio: "pipe" }).trim();

test("the commands of docs/time.md make a statement that counts", { skip }, async () => {
  const [generate = "", publicKey = "", keyId = "", sign = ""] = commands;
  assert.equal(commands.length, 4);
  run(generate);
  const key = parseFleetKey(`ed25519:${run(publicKey)}`);
  assert.equal(run(keyId), key.id);
  const truth = Date.UTC(2026, 5, 1);
  const { time } = await timeRig({ clock: new FakeClock(0), fleetKeys: [key] });
  const { device, epoch, nonce } = time.challenge();
  const lines = ["microedge-time-v1", `device:${device}`, `epoch:${epoch}`, `nonce:${nonce}`];
  writeFileSync(join(directory, "text"), `${[...lines, `time:${truth}`].join("\n")}\n`);
  const signature = run(sign);
  const statement = { v: 1, device, epoch, nonce, time: truth, key: key.id, signature };
  const outcome = await time.applyStatement(JSON.stringify(statement));
  assert.deepEqual(outcome, { kind: "accepted", floorMs: truth });
  assert.equal(time.view().state, "authenticated");
});
