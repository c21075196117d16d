/**
 * What the disk says, as an error of the store: the code tells an operator what to do, the message
 * names the path and the system's own word.
 */
import { AgentError, type ErrorCode, errorText } from "../../base/errors.ts";
import { errnoOf } from "../../host/state-disk.ts";

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: "ERR_STORE_FULL",
  EDQUOT: "ERR_STORE_FULL",
  EROFS: "ERR_STORE_READ_ONLY",
  EACCES: "ERR_STORE_UNSAFE",
  EPERM: "ERR_STORE_UNSAFE",
  ELOOP: "ERR_STORE_UNSAFE",
};

/** No fault of the disk: the directory was removed, or its file system unmounted. */
const GONE =
  "the store's files are gone: mount its file system again; while the agent runs it writes them anew from memory";

/** Passes an AgentError on; anything without an errno is a bug and is passed on, too. */
export function storeError(cause: unknown, path: string): unknown {
  const errno = errnoOf(cause);
  if (errno === undefined || cause instanceof AgentError) return cause;
  return new AgentError(CODES[errno] ?? "ERR_STORE_IO", `${path}: ${errorText(cause)}`, {
    cause,
    fields: { path, errno, ...(errno === "ENOENT" ? { fix: GONE } : {}) },
  });
}

/** Runs a step on `path`; what it throws becomes an error of the store. */
export async function at<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    throw storeError(error, path);
  }
}

/** Whether an error of the disk stands behind it: the state in memory is good, only writing fails. */
export function isDiskFault(error: unknown): error is AgentError {
  return error instanceof AgentError && typeof error.fields["errno"] === "string";
}
