/**
 * Takes a path for a Unix socket without a moment in which somebody else could use it.
 *
 * The socket is bound inside a directory that only we can enter, gets its mode there, and then
 * receives its name by link(2), which fails if anything is in the way. What is in the way is judged:
 * a socket where nobody answers is left over from a dead agent and is replaced; a live one and
 * anything that is not a socket are an error and stay untouched.
 */
import { chmod, link, lstat, mkdir, mkdtemp, rm, unlink } from "node:fs/promises";
import type { Server } from "node:net";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { AgentError, errorText } from "../base/errors.ts";

/** Longest name of a Unix socket in bytes: sun_path of unix(7) less its final NUL. */
const MAX_PATH_BYTES = 107;
/** Others may start at the same moment; each round settles one of them. */
const MAX_ROUNDS = 3;

export interface TakenSocket {
  /** Removes the name, if it is still ours. The server is the caller's to close. */
  release(): Promise<void>;
}

export interface SocketUse {
  readonly mode: number;
  /** The key of the configuration that names the path. */
  readonly key: string;
}

const CONTROL: SocketUse = { mode: 0o600, key: "control.socket" };

/**
 * Makes `server` listen at `path`, with the mode of its use. Creates the last directory of the path (mode 0700) if it
 * is missing.
 *
 * @throws AgentError `ERR_CONTROL_SOCKET` when another process listens there or the path can't be
 *   used; `ERR_FILE_EXISTS` when something that is not a socket has the name.
 */
export async function listenAt(
  server: Server,
  path: string,
  { mode, key }: SocketUse = CONTROL,
): Promise<TakenSocket> {
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_PATH_BYTES) {
    throw new AgentError(
      "ERR_CONTROL_SOCKET",
      `${key} ${path} is ${bytes} bytes long; the system allows ${MAX_PATH_BYTES}`,
      { fields: { path, fix: `give ${key} a shorter path` } },
    );
  }
  let closet: string | undefined;
  try {
    await makeDirectory(dirname(path));
    closet = await mkdtemp(`${dirname(path)}/.`);
    const hidden = join(closet, "s");
    await bind(server, hidden);
    await chmod(hidden, mode);
    await linkInto(hidden, path, key);
    const { dev, ino } = await lstat(path);
    return { release: () => removeIfSame(path, dev, ino) };
  } catch (cause) {
    if (server.listening) server.close();
    if (cause instanceof AgentError) throw cause;
    throw new AgentError(
      "ERR_CONTROL_SOCKET",
      `cannot create the socket of ${key} ${path}: ${errorText(cause)}`,
      { cause, fields: { path, fix: "check the directory and its permissions" } },
    );
  } finally {
    if (closet !== undefined) await rm(closet, { recursive: true, force: true });
  }
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (cause) {
    if (codeOf(cause) !== "EEXIST") throw cause;
  }
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function linkInto(from: string, path: string, key: string): Promise<void> {
  for (let round = 1; ; round += 1) {
    try {
      await link(from, path);
      return;
    } catch (cause) {
      if (codeOf(cause) !== "EEXIST" || round === MAX_ROUNDS) throw cause;
    }
    await removeLeftover(path, key);
  }
}

/** Removes a socket where nobody answers; refuses everything else. */
async function removeLeftover(path: string, key: string): Promise<void> {
  const found = await lstat(path).catch(absent);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new AgentError("ERR_FILE_EXISTS", `${path} exists and is not a socket`, {
      fields: { path, fix: `remove it, or choose another ${key}` },
    });
  }
  if (await answers(path)) {
    throw new AgentError(
      "ERR_CONTROL_SOCKET",
      `an agent is already running: it listens at ${path}`,
      {
        fields: { path },
      },
    );
  }
  await removeIfSame(path, found.dev, found.ino);
}

/** Whether a process accepts connections at `path`. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (cause) => {
      const code = codeOf(cause);
      // EAGAIN: its queue of connections is full, so it lives.
      if (code === "EAGAIN") resolve(true);
      else if (code === "ECONNREFUSED" || code === "ENOENT") resolve(false);
      else reject(cause);
    });
  });
}

async function removeIfSame(path: string, dev: number, ino: number): Promise<void> {
  const now = await lstat(path).catch(absent);
  if (now?.dev === dev && now.ino === ino) await unlink(path).catch(absent);
}

function absent(cause: unknown): undefined {
  if (codeOf(cause) === "ENOENT") return undefined;
  throw cause;
}

function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
}
