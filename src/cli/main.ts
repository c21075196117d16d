/**
 * The program: gives the real process to the command line as a `Terminal` and turns its answer into
 * the exit code. The only file that may end the process.
 */
import { isSea } from "node:sea";
import type { WriteStream } from "node:tty";
import { systemClock } from "../host/clock.ts";
import { endProcess } from "../host/end-process.ts";
import { keepAlive } from "../host/keep-alive.ts";
import { systemRandom } from "../host/random.ts";
import { keepSmallBuffers } from "../host/small-buffers.ts";
import { COMMANDS } from "./command-table.ts";
import { runCommandLine } from "./dispatch.ts";
import type { Output, Terminal } from "./terminal.ts";
import { wantsColour } from "./terminal.ts";

function outputOf(stream: WriteStream): Output {
  const closed = new AbortController();
  // A reader that has gone (`microedge services | head -1`) is no reason to fail: what was still to
  // be said has nobody to hear it, and the exit code tells the rest.
  stream.on("error", () => closed.abort());
  return {
    isTerminal: stream.isTTY === true,
    colour: wantsColour(stream.isTTY === true, process.env),
    closed: closed.signal,
    write(text) {
      if (!closed.signal.aborted) stream.write(text);
    },
  };
}

/** How to start this program again: one file, or Node.js with its flags and the bundle. */
function self(): readonly [string, ...string[]] {
  if (isSea()) return [process.execPath];
  return [process.execPath, ...process.execArgv, process.argv[1] ?? ""];
}

const terminal: Terminal = {
  stdout: outputOf(process.stdout),
  stderr: outputOf(process.stderr),
  get stdin() {
    return process.stdin as AsyncIterable<Uint8Array>;
  },
  // Asked late: touching stdin opens it.
  get stdinIsTerminal() {
    return process.stdin.isTTY === true;
  },
  env: process.env,
  cwd: process.cwd(),
  uid: process.geteuid?.() ?? -1,
  pid: process.pid,
  self: self(),
  clock: systemClock,
  random: systemRandom,
  onSignal(signal, listener) {
    process.on(signal, listener);
    return () => process.off(signal, listener);
  },
  onBug(listener) {
    const onException = (thrown: unknown): void => listener("exception", thrown);
    const onRejection = (thrown: unknown): void => listener("rejection", thrown);
    process.on("uncaughtException", onException);
    process.on("unhandledRejection", onRejection);
    return () => {
      process.off("uncaughtException", onException);
      process.off("unhandledRejection", onRejection);
    };
  },
  exit: endProcess,
};

async function main(): Promise<void> {
  keepSmallBuffers();
  // A command waits by the clock, whose timers keep no process alive: without this, waiting for a
  // second try would look to Node like having nothing left to do.
  using _waiting = keepAlive();
  const code = await runCommandLine(process.argv.slice(2), COMMANDS, terminal);
  // A pipe takes 64 KiB at a time; ending before its reader has taken the rest would cut it off.
  // Nothing else is waited for: idle sockets of a command don't delay the end.
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  endProcess(code);
}

/** Resolves when all that was written has left the process, or nobody reads it any more. */
function flushed(stream: WriteStream): Promise<void> {
  if (stream.destroyed || stream.writableLength === 0) return Promise.resolve();
  return new Promise((resolve) => stream.write("", () => resolve()));
}

void main();
