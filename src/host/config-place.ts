/**
 * What a configuration takes from this machine: environment, working directory, user, clock, files.
 */
import { readFile } from "node:fs/promises";

/** The real machine. `readText` is strict: a file that is not UTF-8 is an error, not question marks. */
export const systemPlace = {
  get environment(): Readonly<Record<string, string | undefined>> {
    return process.env;
  },
  get workingDirectory(): string {
    return process.cwd();
  },
  get root(): boolean {
    return process.geteuid?.() === 0;
  },
  nowMs: () => Date.now(),
  async readText(path: string): Promise<string> {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
  },
} as const;
