/**
 * What the certificate store takes from this machine.
 */
import type { StatePorts } from "../agent/agent-ports.ts";
import type { Terminal } from "./terminal.ts";

export async function machinePorts(terminal: Terminal): Promise<StatePorts> {
  const [
    { systemFiles },
    { systemNetwork },
    { systemStateDisk },
    { systemDirectoryLock },
    { systemPrograms },
    { readTimeSync },
    { readBootTimeMs },
  ] = await Promise.all([
    import("../host/files.ts"),
    import("../host/network.ts"),
    import("../host/state-disk.ts"),
    import("../host/directory-lock.ts"),
    import("../host/programs.ts"),
    import("../host/time-sync.ts"),
    import("../host/boot-time.ts"),
  ]);
  const { clock, random, uid, env } = terminal;
  return {
    clock,
    random,
    uid,
    files: systemFiles,
    network: systemNetwork,
    disk: systemStateDisk,
    lock: systemDirectoryLock(clock),
    programs: systemPrograms,
    credentialsDirectory: env["CREDENTIALS_DIRECTORY"],
    bootTimeMs: () => readBootTimeMs(),
    timeSync: () => readTimeSync({ clock, random }),
  };
}
