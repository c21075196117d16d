/**
 * The end of the process, at once.
 *
 * `process.exit` waits for libuv's threads, and a name look-up holds its thread until the system's
 * resolver gives up: ten seconds and more when no name server answers, long after our own time limit
 * (measured). Threads end with the program that they belong to, so a process that has such a look-up
 * open replaces its program by one that does nothing but exit.
 */

/** What Node calls a name look-up among its active resources. */
const LOOKUP = "GetAddrInfoReqWrap";

/** Ends the process with this code. All output must have been written. */
export function endProcess(code: number): never {
  if (process.getActiveResourcesInfo().includes(LOOKUP)) {
    // Node warns that the function is new; on the standard error of a command that is noise.
    process.removeAllListeners("warning");
    try {
      process.execve?.("/bin/sh", ["sh", "-c", `exit ${code}`], {});
    } catch {
      // No shell, or not allowed: then it takes as long as it takes.
    }
  }
  process.exit(code);
}
