/**
 * `microedge time apply`: hands a signed time statement to the agent.
 */
import { resolve } from "node:path";
import { AgentError, errorText } from "../../base/errors.ts";
import { readBoundedTextFile } from "../../host/text-file.ts";
import { formatMoment } from "../../identity/span-words.ts";
import { MAX_STATEMENT_BYTES } from "../../identity/time/time-statement.ts";
import { command } from "../command.ts";
import { agentOf } from "../configuration.ts";
import { columns } from "../format/table.ts";
import type { Terminal } from "../terminal.ts";

export const timeApplyCommand = command({
  name: "time apply",
  summary: "give the agent a time statement that the fleet has signed",
  detail:
    "Answers `microedge time challenge`. It counts once; what is wrong with one that does not count is said with a code of docs/time.md. The machine's clock is not set by it.",
  positionals: [{ name: "FILE", doc: "the statement, JSON; - for stdin" }],
  options: {},
  examples: ["microedge time apply statement.json", "sign-time | microedge time apply -"],
  async run({ terminal, report, configFile, positionals: [name = ""] }) {
    const agent = await agentOf(terminal, configFile);
    const { floorMs, loweredFromMs } = await agent.time.apply(await readStatement(terminal, name));
    return report.result({ floorMs, loweredFromMs }, () => {
      const lowered =
        loweredFromMs === undefined ? "" : `, lowered from ${formatMoment(loweredFromMs)}`;
      return columns([["floor", `${formatMoment(floorMs)}, by the fleet${lowered}`]]);
    });
  },
});

/** @throws AgentError `ERR_FILE_IO`, `ERR_TIME_STATEMENT`. */
async function readStatement({ stdin, cwd }: Terminal, name: string): Promise<string> {
  if (name === "-") {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of stdin) {
      size += chunk.length;
      if (size > MAX_STATEMENT_BYTES) throw tooLong("stdin");
      chunks.push(chunk);
    }
    return presentable(Buffer.concat(chunks).toString("utf8"), "stdin");
  }
  const path = resolve(cwd, name);
  try {
    return presentable(await readBoundedTextFile(path, MAX_STATEMENT_BYTES), path);
  } catch (cause) {
    if (cause instanceof AgentError) throw cause;
    throw new AgentError("ERR_FILE_IO", `${path} can't be read: ${errorText(cause)}`, { cause });
  }
}

function presentable(text: string, from: string): string {
  const statement = text.trim();
  if (statement !== "") return statement;
  throw new AgentError("ERR_TIME_STATEMENT", `${from} is empty`);
}

function tooLong(from: string): AgentError {
  return new AgentError(
    "ERR_TIME_STATEMENT",
    `${from} holds more than the ${MAX_STATEMENT_BYTES} bytes that a statement may have`,
  );
}
