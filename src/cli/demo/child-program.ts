/**
 * A program that the demonstration runs: its output by line, its end, and how to stop it by its own
 * handle.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { AgentError } from "../../base/errors.ts";
import type { Clock } from "../../host/clock.ts";

export type CommandLine = readonly [string, ...string[]];

export interface ProgramEnd {
  /** 128 and more for a signal is left to shells: a signal counts as 1. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface ProgramOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

/** From SIGTERM to SIGKILL. */
const STOP_MS = 15_000;

export class ChildProgram implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  readonly #name: string;
  readonly #stdout: string[] = [];
  readonly #stderr: string[] = [];
  /** Both, as they came. */
  readonly #said: string[] = [];
  readonly #watchers = new Set<() => void>();
  readonly #ended: Promise<ProgramEnd>;
  #isOver = false;

  constructor([program, ...words]: CommandLine, { cwd, env, clock }: ProgramOptions) {
    this.#name = program;
    this.#clock = clock;
    this.#child = spawn(program, words, { cwd, env, stdio: "pipe" });
    this.#collect(this.#child.stdout, this.#stdout);
    this.#collect(this.#child.stderr, this.#stderr);
    this.#ended = new Promise((resolve) => {
      const over = (code: number): void => {
        this.#isOver = true;
        const [stdout, stderr] = [this.#stdout.join("\n"), this.#stderr.join("\n")];
        resolve({ code, stdout, stderr });
        this.#wake();
      };
      this.#child.once("error", (cause) => {
        this.#stderr.push(cause.message);
        this.#said.push(cause.message);
        over(1);
      });
      this.#child.once("close", (code) => over(code ?? 1));
    });
  }

  /** Its end; stops it when that takes longer than `limitMs`. */
  async end(limitMs: number): Promise<ProgramEnd> {
    const timer = this.#clock.setTimer(limitMs, () => this.#child.kill("SIGKILL"));
    try {
      return await this.#ended;
    } finally {
      timer.cancel();
    }
  }

  /**
   * The first line of stdout or stderr, past or future, of which `pick` makes something.
   *
   * @throws AgentError `ERR_INTERNAL` when the program ends or `limitMs` pass before.
   */
  async line<T>(pick: (line: string) => T | undefined, limitMs: number): Promise<T> {
    let late = false;
    const timer = this.#clock.setTimer(limitMs, () => {
      late = true;
      this.#wake();
    });
    try {
      for (let at = 0; ; at += 1) {
        while (at >= this.#said.length) {
          if (this.#isOver || late) throw this.#silent(late);
          await new Promise<void>((resolve) => this.#watchers.add(resolve));
        }
        const picked = pick(this.#said[at] ?? "");
        if (picked !== undefined) return picked;
      }
    } finally {
      timer.cancel();
    }
  }

  /** Asks it to stop, and does not ask again. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    this.#child.stdin?.end();
    this.#child.kill("SIGTERM");
    await this.end(STOP_MS);
  }

  #collect(stream: NodeJS.ReadableStream | null, lines: string[]): void {
    if (stream === null) return;
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      this.#said.push(line);
      this.#wake();
    });
  }

  #wake(): void {
    for (const wake of this.#watchers) wake();
    this.#watchers.clear();
  }

  #silent(late: boolean): AgentError {
    const said = this.#said.slice(-5).join("\n");
    const what = late ? "said nothing in time" : "ended too early";
    return new AgentError("ERR_INTERNAL", `${this.#name} ${what}; its last words:\n${said}`);
  }
}
