/** What rules across keys ask of one that was read, and how they name it when something is wrong. Pure. */
import type { ConfigProblem } from "./config-problem.ts";
import type { Setting } from "./config-reader.ts";

/** Whether somebody has set it, in the file or by a variable. */
export function isGiven(setting: Setting | undefined): setting is Setting {
  return setting !== undefined && setting.source !== "default";
}

/** @param message See {@link ConfigProblem}. */
export function problemAt(
  key: string,
  setting: Setting | undefined,
  message: string,
): ConfigProblem {
  const line = setting?.line;
  return { key, message, ...(line === undefined ? {} : { line }) };
}
