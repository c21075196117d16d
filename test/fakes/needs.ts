/**
 * What a test needs from the machine, beside Node.js. Where it is missing the test is left out with
 * the reason; under TEST_STRICT=1 (CI) nothing is, and the test fails for want of it.
 */
import { spawnSync } from "node:child_process";

const { TEST_STRICT, TEST_FULL } = process.env;

/** Whether the long tests run whole. */
export const FULL = TEST_FULL === "1";

/** `false` when it is there or must be; otherwise the reason for node:test's `skip`. */
export function without(what: string, isThere: boolean): string | false {
  return isThere || TEST_STRICT === "1" ? false : `${what} is missing on this machine`;
}

/** Whether a program is on the PATH. */
export function hasCommand(name: string): boolean {
  return spawnSync("sh", ["-c", 'command -v "$0"', name], { stdio: "ignore" }).status === 0;
}
