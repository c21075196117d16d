/**
 * A renewal that is asked for while the authority is down, kept in the queue, and caught up by itself.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeAuthority } from "./authority.ts";
import { readyLine } from "./ready-line.ts";
import { expectText, type Scene, type Started } from "./scene.ts";

const DEVICE = "roof-7";

/**
 * A second agent, as its identity comes from another authority.
 *
 * @param stepCa Path of the program.
 * @throws AgentError for the first step that does not work.
 */
export async function renewLate(scene: Scene, stepCa: string): Promise<void> {
  const authority = await makeAuthority(join(scene.directory, "step-ca"), scene.terminal);
  const startAuthority = (title: string): Promise<Started<string>> =>
    scene.start(title, ["step-ca", authority.config], [stepCa, authority.config], servingLine);
  const first = await startAuthority("a real step-ca, the authority of a fleet");
  const token = join(scene.directory, "token.jwt");
  await writeFile(token, `${authority.token(DEVICE, [DEVICE, "127.0.0.1"])}\n`, { mode: 0o600 });
  const config = join(scene.directory, "device.toml");
  const lines = [
    "[rpc]",
    'listen = "127.0.0.1:0"',
    "[store]",
    'dir = "device-store"',
    "[control]",
    'socket = "device.sock"',
    "[issuer]",
    'kind = "step-ca"',
    `url = "${authority.url}"`,
    `root_sha256 = "${authority.rootSha256}"`,
  ];
  await writeFile(config, `${lines.join("\n")}\n`, { mode: 0o600 });
  await scene.microedge(
    "a device enrols there with a one-time token; its key never leaves it",
    ...["enroll", "--token-file", token, "--config", config],
  );
  const device = await scene.startMicroedge(
    "the agent of that device",
    ["run", "--config", config],
    readyLine,
  );
  await first.stop("the authority goes down");
  await scene.microedgeRefuses(
    "a renewal that is asked for now does not work, and is not forgotten",
    "ERR_ISSUER_UNREACHABLE",
    ...["cert", "renew", "--now", "--config", config],
  );
  expectText(
    await scene.microedge(
      "it waits in the queue on the disk, and is tried again with growing pauses",
      ...["queue", "list", "--config", config],
    ),
    "re-key-2",
  );
  await startAuthority("the authority is back");
  await device.wait("the device catches up by itself", (line) =>
    line.includes('"renewal.succeeded"') ? line : undefined,
  );
  expectText(
    await scene.microedge("the wish is fulfilled", ...["queue", "list", "--config", config]),
    "done",
  );
  expectText(
    await scene.microedge(
      "generation 2 is in force, with another key",
      ...["cert", "history", "--config", config],
    ),
    "renewal",
  );
}

function servingLine(line: string): string | undefined {
  return /Serving HTTPS on (\S+)/.exec(line)?.[1];
}
