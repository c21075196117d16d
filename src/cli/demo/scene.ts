/**
 * What the steps of the demonstration share: a throw-away directory, the programs that run, and how a
 * step is shown.
 */
import { AgentError } from "../../base/errors.ts";
import type { Report } from "../report.ts";
import type { Terminal } from "../terminal.ts";
import { ChildProgram, type CommandLine, type ProgramEnd } from "./child-program.ts";

/** Ample for an emulated or very small machine. */
const COMMAND_MS = 60_000;
/** What would change how the demonstrated programs behave. */
const FOREIGN = /^(?:MICROEDGE_|MICRO_|NOTIFY_SOCKET$|WATCHDOG_|RUNTIME_DIRECTORY$)/;

export interface StepResult {
  readonly title: string;
  readonly ok: boolean;
  /** The command as a person would type it. */
  readonly command: string;
  /** What it said. */
  readonly output: string;
}

export class Scene implements AsyncDisposable {
  readonly directory: string;
  readonly results: StepResult[] = [];
  readonly #terminal: Terminal;
  readonly #report: Report;
  readonly #signal: AbortSignal;
  readonly #running = new AsyncDisposableStack();

  constructor(terminal: Terminal, report: Report, directory: string, signal: AbortSignal) {
    this.#terminal = terminal;
    this.#report = report;
    this.directory = directory;
    this.#signal = signal;
  }

  /** A heading of what comes next. */
  title(text: string): void {
    this.#report.progress(`\n${this.results.length + 1}. ${text}`);
  }

  /** Runs `microedge WORDS` and shows it. @throws AgentError when it ends with another code than 0. */
  microedge(title: string, ...words: string[]): Promise<ProgramEnd> {
    return this.#show(title, ["microedge", ...words], [...this.#terminal.self, ...words]);
  }

  /** Runs another program and shows it. @throws AgentError when it ends with another code than 0. */
  program(title: string, name: string, command: CommandLine): Promise<ProgramEnd> {
    return this.#show(title, [name, ...command.slice(1)], command);
  }

  /** Starts a program that runs until the scene ends; `pick` recognises the line that says it is ready. */
  async start<T>(
    title: string,
    shown: readonly string[],
    command: CommandLine,
    pick: (line: string) => T | undefined,
  ): Promise<T> {
    this.title(title);
    this.#report.progress(`   $ ${shown.map(quoted).join(" ")} &`);
    const child = this.#running.use(this.#spawn(command));
    const ready = await this.#unlessStopped(child.line(pick, COMMAND_MS));
    this.#done(title, shown, String(ready));
    return ready;
  }

  startMicroedge<T>(
    title: string,
    words: readonly string[],
    pick: (line: string) => T | undefined,
  ): Promise<T> {
    return this.start(title, ["microedge", ...words], [...this.#terminal.self, ...words], pick);
  }

  note(text: string): void {
    this.#report.progress(indented(text));
  }

  /** Stops what runs, the last started first. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.disposeAsync();
  }

  async #show(title: string, shown: readonly string[], command: CommandLine): Promise<ProgramEnd> {
    this.title(title);
    this.#report.progress(`   $ ${shown.map(quoted).join(" ")}`);
    await using child = this.#spawn(command);
    const end = await this.#unlessStopped(child.end(COMMAND_MS));
    const said = [end.stdout, end.code === 0 ? "" : end.stderr].filter((text) => text !== "");
    if (said.length > 0) this.#report.progress(indented(said.join("\n")));
    if (end.code !== 0) {
      this.results.push({ title, ok: false, command: shown.join(" "), output: said.join("\n") });
      throw new DemoFailure(`step ${this.results.length} failed: ${title} (exit code ${end.code})`);
    }
    this.#done(title, shown, end.stdout);
    return end;
  }

  #done(title: string, shown: readonly string[], output: string): void {
    this.results.push({ title, ok: true, command: shown.map(quoted).join(" "), output });
    this.#report.progress("   ok");
  }

  #spawn(command: CommandLine): ChildProgram {
    const env = Object.fromEntries(
      Object.entries(this.#terminal.env).filter(([name]) => !FOREIGN.test(name)),
    );
    return new ChildProgram(command, {
      cwd: this.directory,
      // go-micro v5 verifies peers only when it is told to; microedge always does.
      env: { ...env, MICRO_TLS_SECURE: "true", NO_COLOR: "1" },
      clock: this.#terminal.clock,
    });
  }

  #unlessStopped<T>(work: Promise<T>): Promise<T> {
    this.#signal.throwIfAborted();
    return Promise.race([
      work,
      new Promise<never>((_, reject) => {
        this.#signal.addEventListener("abort", () => reject(this.#signal.reason), { once: true });
      }),
    ]);
  }
}

/** A step that did not work; what it said was shown. */
export class DemoFailure extends AgentError {
  constructor(message: string) {
    super("ERR_INTERNAL", message, {
      fields: { fix: "look at what the step said above" },
    });
  }
}

function indented(text: string): string {
  return text
    .split("\n")
    .map((line) => `   ${line}`)
    .join("\n");
}

/** As a shell needs it. */
function quoted(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
