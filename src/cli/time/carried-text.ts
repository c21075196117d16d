/**
 * What is carried between a device and whoever speaks for its fleet, a challenge or a statement on the time:
 * a file, or stdin.
 */
import { resolve } from "node:path";
import { AgentError, errorText } from "../../base/errors.ts";
import { readBoundedTextFile } from "../../host/text-file.ts";
import { MAX_STATEMENT_BYTES } from "../../identity/time/time-statement.ts";
import type { Terminal } from "../terminal.ts";

/**
 * @param name Of the file; `-` for stdin.
 * @returns Without white space around it, never empty.
 * @throws AgentError `ERR_FILE_IO`; `ERR_TIME_STATEMENT` for what is too long, or empty.
 */
export async function readCarriedText(terminal: Terminal, name: string): Promise<string> {
  const text = name === "-" ? await readStdin(terminal) : await readFile(terminal, name);
  if (text.trim() !== "") return text.trim();
  throw new AgentError("ERR_TIME_STATEMENT", `${name === "-" ? "stdin" : name} is empty`);
}

async function readStdin({ stdin }: Terminal): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    size += chunk.length;
    if (size > MAX_STATEMENT_BYTES) {
      const words = `stdin holds more than the ${MAX_STATEMENT_BYTES} bytes that it may have`;
      throw new AgentError("ERR_TIME_STATEMENT", words);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function readFile({ cwd }: Terminal, name: string): Promise<string> {
  try {
    return await readBoundedTextFile(resolve(cwd, name), MAX_STATEMENT_BYTES);
  } catch (cause) {
    const words = `${name} can't be read: ${errorText(cause)}`;
    throw new AgentError("ERR_FILE_IO", words, { cause });
  }
}
