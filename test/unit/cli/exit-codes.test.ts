import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError, type ErrorCode } from "#src/base/errors.ts";
import { exitCodeOf } from "#src/cli/exit-codes.ts";

suite("exitCodeOf", () => {
  const rows: readonly { thrown: unknown; code: number; why: string }[] = [
    ...(
      [
        ["ERR_USAGE", 2, "mistake on the command line"],
        ["ERR_CONTROL_REQUEST", 2, "the agent did not understand the command"],
        ["ERR_CONTROL_UNREACHABLE", 69, "EX_UNAVAILABLE: no agent"],
        ["ERR_CONTROL_SOCKET", 1, "another agent has the socket"],
        ["ERR_FILE_EXISTS", 73, "EX_CANTCREAT: nothing is overwritten"],
        ["ERR_FILE_IO", 74, "EX_IOERR"],
        ["ERR_CONFIG_INVALID", 78, "EX_CONFIG"],
        ["ERR_CONFIG_UNREADABLE", 78, "EX_CONFIG"],
        ["ERR_TLS_MATERIAL", 78, "the configuration names files that can't be used"],
        ["ERR_RPC_REMOTE", 1, "the call ran; the answer is no"],
        ["ERR_RPC_DEADLINE", 1, "so it did, too late"],
        ["ERR_INTERNAL", 1, "a bug of the other side is its answer"],
      ] as const satisfies readonly (readonly [ErrorCode, number, string])[]
    ).map(([code, exit, why]) => ({
      thrown: new AgentError(code, ""),
      code: exit,
      why: `${code}: ${why}`,
    })),
    { thrown: new TypeError("x"), code: 70, why: "EX_SOFTWARE: a bug of ours" },
    { thrown: "text", code: 70, why: "anything thrown" },
    { thrown: undefined, code: 70, why: "even nothing" },
  ];
  for (const { thrown, code, why } of rows) {
    test(`${code}: ${why}`, () => assert.equal(exitCodeOf(thrown), code));
  }
});
