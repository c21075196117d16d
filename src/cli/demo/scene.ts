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

/** A program that goes on running. */
export interface Started<T> {
  /** What `pick` made of the line that says that it is ready. */
  readonly ready: T;
  /** As a step of its own: waits for a line. @throws AgentError `ERR_INTERNAL` when it does not come. */
  wait(title: string, pick: (line: string) => string | undefined): Promise<void>;
  /** As a step of its own: has it stop, and waits until it has. */
  stop(title: string): Promise<void>;
}

export class Scene implements AsyncDisposable {
  readonly directory: string;
  readonly results: StepResult[] = [];
  readonly terminal: Terminal;
  readonly #report: Report;
  readonly #signal: AbortSignal;
  readonly #running = new AsyncDisposableStack();

  constructor(terminal: Terminal, report: Report, directory: string, signal: AbortSignal) {
    this.terminal = terminal;
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
    return this.#show(title, ["microedge", ...words], [...this.terminal.self, ...words]);
  }

  /**
   * Runs `microedge WORDS`, which must not work now, and shows it.
   *
   * @throws AgentError when it works, or says nothing of `because`.
   */
  async microedgeRefuses(title: string, because: string, ...words: string[]): Promise<void> {
    const shown = ["microedge", ...words];
    const end = await this.#run(title, shown, [...this.terminal.self, ...words]);
    if (end.code === 0 || !end.said.includes(because)) throw this.#failed(title, shown, end);
    this.#done(title, shown, end.said);
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
  ): Promise<Started<T>> {
    this.title(title);
    this.#report.progress(`   $ ${shown.map(quoted).join(" ")} &`);
    const child = this.#running.use(this.#spawn(command));
    const ready = await this.#unlessStopped(child.line(pick, COMMAND_MS));
    this.#done(title, shown, String(ready));
    return {
      ready,
      wait: async (what, pickLater) => {
        this.title(what);
        const line = await this.#unlessStopped(child.line(pickLater, COMMAND_MS));
        this.note(line);
        this.#done(what, [], line);
      },
      stop: async (what) => {
        this.title(what);
        this.#report.progress(`   $ kill %${shown[0]}`);
        await this.#unlessStopped(child[Symbol.asyncDispose]());
        this.#done(what, ["kill", `%${shown[0]}`], "");
      },
    };
  }

  startMicroedge<T>(
    title: string,
    words: readonly string[],
    pick: (line: string) => T | undefined,
  ): Promise<Started<T>> {
    return this.start(title, ["microedge", ...words], [...this.terminal.self, ...words], pick);
  }

  note(text: string): void {
    this.#report.progress(indented(text));
  }

  /** Stops what runs, the last started first. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.disposeAsync();
  }

  async #show(title: string, shown: readonly string[], command: CommandLine): Promise<ProgramEnd> {
    const end = await this.#run(title, shown, command);
    if (end.code !== 0) throw this.#failed(title, shown, end);
    this.#done(title, shown, end.stdout);
    return end;
  }

  async #run(title: string, shown: readonly string[], command: CommandLine): Promise<ShownEnd> {
    this.title(title);
    this.#report.progress(`   $ ${shown.map(quoted).join(" ")}`);
    await using child = this.#spawn(command);
    const end = await this.#unlessStopped(child.end(COMMAND_MS));
    const parts = [end.stdout, end.code === 0 ? "" : end.stderr].filter((text) => text !== "");
    const said = parts.join("\n");
    if (said !== "") this.#report.progress(indented(said));
    return { ...end, said };
  }

  #failed(title: string, shown: readonly string[], { code, said }: ShownEnd): DemoFailure {
    this.results.push({ title, ok: false, command: shown.join(" "), output: said });
    return new DemoFailure(`step ${this.results.length} failed: ${title} (exit code ${code})`);
  }

  #done(title: string, shown: readonly string[], output: string): void {
    this.results.push({ title, ok: true, command: shown.map(quoted).join(" "), output });
    this.#report.progress("   ok");
  }

  #spawn(command: CommandLine): ChildProgram {
    const env = Object.fromEntries(
      Object.entries(this.terminal.env).filter(([name]) => !FOREIGN.test(name)),
    );
    return new ChildProgram(command, {
      cwd: this.directory,
      // go-micro v5 verifies peers only when it is told to; microedge always does.
      env: { ...env, MICRO_TLS_SECURE: "true", NO_COLOR: "1" },
      clock: this.terminal.clock,
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

interface ShownEnd extends ProgramEnd {
  /** What was shown of it. */
  readonly said: string;
}

/** A step that did not work; what it said was shown. */
export class DemoFailure extends AgentError {
  constructor(message: string) {
    super("ERR_INTERNAL", message, {
      fields: { fix: "look at what the step said above" },
    });
  }
}

/** @throws DemoFailure when a program did not say what it should have. */
export function expectText(end: ProgramEnd, text: string): void {
  if (!end.stdout.includes(text)) throw new DemoFailure(`the answer lacks ${text}: ${end.stdout}`);
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
