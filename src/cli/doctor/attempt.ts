/**
 * Looking at something that may not be there: what fails becomes a fact of its own.
 */
import type { stat } from "node:fs/promises";
import { type AgentError, errorText, isAgentError } from "../../base/errors.ts";
import { describe } from "../report.ts";
import { type Fact, isMissing, type PathFact } from "./facts.ts";

/** Never rejects. */
export async function attempt<T extends object>(
  look: () => Fact<T> | Promise<Fact<T>>,
): Promise<Fact<T>> {
  try {
    return await look();
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException | undefined)?.code;
    return isAgentError(thrown)
      ? { missing: reasonOf(thrown), code, fix: describe(thrown).hint }
      : { missing: errorText(thrown), code };
  }
}

/** As {@link attempt}, of what was found before. */
export async function attemptWith<S extends object, T extends object>(
  from: Fact<S>,
  look: (value: S) => Fact<T> | Promise<Fact<T>>,
): Promise<Fact<T>> {
  return isMissing(from) ? from : attempt(() => look(from));
}

/** @throws Error of the file system. */
export async function pathFact(path: string, look: typeof stat): Promise<PathFact> {
  const found = await look(path);
  const kind = found.isFile()
    ? "file"
    : found.isDirectory()
      ? "directory"
      : found.isSocket()
        ? "socket"
        : "other";
  return { path, kind, mode: found.mode & 0o7777, uid: found.uid };
}

/** With the first problem of a configuration: for most people it is the only one. */
function reasonOf(error: AgentError): string {
  const { message, problems = [] } = describe(error);
  const [first] = problems;
  if (first === undefined) return message;
  return `${message}: ${first.line === undefined ? "" : `line ${first.line}: `}${first.key} ${first.message}`;
}
