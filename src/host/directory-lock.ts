/**
 * One writer per directory, by a lock that dies with its process: a Unix socket in the abstract
 * namespace, named by device and inode of the directory, so that neither a symbolic link nor a bind
 * mount leads around it and no stale lock file can ever be left behind. Nothing is written to disk.
 * Node.js offers no flock(2).
 *
 * Weaknesses, none of which loses anything by itself: the lock is seen within one network namespace
 * only, so two containers that share the directory do not see each other; any user of the machine may
 * take the name first, and so keep the store shut; Linux only.
 */
import { connect, createServer, type Server } from "node:net";
import { AgentError } from "../base/errors.ts";
import type { Clock } from "./clock.ts";

export interface DirectoryLock {
  /**
   * @param identity As {@link DiskEntry.identity} of the directory.
   * @throws AgentError `ERR_STORE_LOCKED`, naming the process that holds it when it says so.
   */
  take(dir: string, identity: string): Promise<AsyncDisposable>;
}

/** How long the holder may take to say who it is. */
const ANSWER_MS = 1_000;
/** Longer than any answer of ours; a stranger on that name may send anything. */
const MAX_ANSWER = 64;

export function systemDirectoryLock(clock: Clock): DirectoryLock {
  return {
    async take(dir, identity) {
      const name = `\0microedge-store-${identity}`;
      const server = createServer((socket) => {
        socket.on("error", () => undefined);
        socket.end(`${process.pid}\n`);
      });
      try {
        await listen(server, name);
      } catch (cause) {
        if (!(cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE")) {
          throw new AgentError("ERR_STORE_LOCKED", `${dir} could not be locked`, {
            cause,
            fields: { path: dir },
          });
        }
        const holder = await askHolder(name, clock);
        const who = holder === undefined ? "another process" : `process ${holder}`;
        throw new AgentError("ERR_STORE_LOCKED", `${dir} is in use by ${who}`, {
          fields: { path: dir, ...(holder === undefined ? {} : { holder }) },
        });
      }
      server.unref();
      return {
        [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
      };
    },
  };
}

function listen(server: Server, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(name, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** The process id that the holder gives, `undefined` when it gives none in time. */
function askHolder(name: string, clock: Clock): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = connect(name);
    let answer = "";
    const finish = (): void => {
      timer.cancel();
      socket.destroy();
      resolve(/^[1-9]\d{0,9}\n$/.test(answer) ? Number(answer) : undefined);
    };
    const timer = clock.setTimer(ANSWER_MS, finish);
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      answer += text;
      if (answer.length > MAX_ANSWER) finish();
    });
    socket.on("error", finish);
    socket.on("close", finish);
  });
}
