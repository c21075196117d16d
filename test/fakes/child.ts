/**
 * Child processes for tests that run what was built: collects output by line, waits for a line, and
 * stops by process id, first with SIGTERM and, should that not be enough, with SIGKILL.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Written to standard input, which then ends; without it standard input stays open. */
  readonly stdin?: string;
}

export interface Ended {
  /** Exit code, or the signal's name. */
  readonly code: number | NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

const STOP_MS = 20_000;

export class Child implements AsyncDisposable {
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  readonly #command: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<Ended>;
  readonly #watchers = new Set<() => void>();
  #result: Ended | undefined;

  constructor(command: readonly [string, ...string[]], options: ChildOptions = {}) {
    const [program, ...args] = command;
    this.#command = command.join(" ");
    this.#child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: "pipe",
    });
    // A test process that ends early must not leave it behind.
    const kill = (): boolean => this.#child.kill("SIGKILL");
    process.once("exit", kill);
    // A child that has stopped reading is not this test's concern: its exit code tells.
    this.#child.stdin?.on("error", () => undefined);
    if (options.stdin !== undefined) this.#child.stdin?.end(options.stdin);
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once("error", (error) => {
        this.#result = { code: "SIGKILL", stdout: "", stderr: error.message };
        reject(error);
        this.#wake();
      });
      this.#child.once("close", (code, signal) => {
        process.off("exit", kill);
        this.#result = {
          code: code ?? signal ?? "SIGKILL",
          stdout: this.stdout.join("\n"),
          stderr: this.stderr.join("\n"),
        };
        resolve(this.#result);
        this.#wake();
      });
    });
    // Whoever asks for the end gets the failure; that nobody asked is no second failure.
    this.#ended.catch(() => undefined);
    this.#collect(this.#child.stdout, this.stdout);
    this.#collect(this.#child.stderr, this.stderr);
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.#command} did not start`);
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#result === undefined;
  }

  /** Resolves when the process has ended and its output is complete. */
  get ended(): Promise<Ended> {
    return this.#ended;
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  endInput(): void {
    this.#child.stdin?.end();
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /**
   * The first line of standard output or standard error, past or future, from which `pick` makes
   * something. @throws Error with all output when the process ends or `timeoutMs` pass before.
   */
  async waitFor<T>(
    what: string,
    pick: (line: string) => T | undefined,
    timeoutMs = 20_000,
  ): Promise<T> {
    const find = (): T | undefined => {
      for (const line of [...this.stdout, ...this.stderr]) {
        const picked = pick(line);
        if (picked !== undefined) return picked;
      }
      return undefined;
    };
    await this.until(what, () => find() !== undefined, timeoutMs);
    return find() as T;
  }

  /** Resolves when `reached`, asked again after each line. @throws Error as {@link waitFor} does. */
  async until(what: string, reached: () => boolean, timeoutMs = 20_000): Promise<void> {
    const signal = AbortSignal.timeout(timeoutMs);
    while (!reached()) {
      const why = this.running ? undefined : `it ended with ${this.#result?.code}`;
      if (why !== undefined || signal.aborted) {
        const output = [...this.stdout, ...this.stderr, this.#result?.stderr ?? ""].join("\n");
        throw new Error(`no ${what} from ${this.#command}: ${why ?? "time is up"}\n${output}`);
      }
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#watchers.delete(done);
          signal.removeEventListener("abort", done);
          resolve();
        };
        this.#watchers.add(done);
        signal.addEventListener("abort", done);
      });
    }
  }

  /** Asks the process to stop and waits for it; after 20 s it is killed. */
  async stop(): Promise<Ended> {
    this.signal("SIGTERM");
    const kill = setTimeout(() => this.signal("SIGKILL"), STOP_MS);
    try {
      return await this.#ended;
    } finally {
      clearTimeout(kill);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #collect(stream: NodeJS.ReadableStream | null, lines: string[]): void {
    if (stream === null) return;
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      this.#wake();
    });
  }

  #wake(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

/** Runs a command to its end. Kills it, and throws, when that takes longer than `timeoutMs`. */
export async function run(
  command: readonly [string, ...string[]],
  options: ChildOptions & { readonly timeoutMs?: number } = {},
): Promise<Ended> {
  const { timeoutMs = 60_000 } = options;
  const child = new Child(command, { stdin: "", ...options });
  let late = false;
  const kill = setTimeout(() => {
    late = true;
    child.signal("SIGKILL");
  }, timeoutMs);
  try {
    const ended = await child.ended;
    if (late)
      throw new Error(`${command.join(" ")} took longer than ${timeoutMs} ms\n${ended.stderr}`);
    return ended;
  } finally {
    clearTimeout(kill);
  }
}
