/**
 * Counts what code does instead of how long it takes: how often its blocks ran, as V8's precise
 * coverage has it. Loops are counted; a native function counts as nothing.
 */
import { Session } from "node:inspector";

interface CoverageResult {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly { readonly count: number }[] }[];
  }[];
}

/**
 * One for a process, made before the code to be counted is imported: V8 counts blocks only in what it
 * compiles from then on.
 */
export class OperationCounter implements Disposable {
  readonly #session = new Session();
  readonly #files: RegExp;

  /** @param files Which files count, by their address. */
  constructor(files: RegExp) {
    this.#files = files;
    this.#session.connect();
    this.#ask("Profiler.enable");
    this.#ask("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** Runs of blocks while `work` runs, which must be synchronous. */
  count(work: () => void): number {
    this.#take();
    work();
    return this.#take()
      .result.filter(({ url }) => this.#files.test(url))
      .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges))
      .reduce((sum, { count }) => sum + count, 0);
  }

  [Symbol.dispose](): void {
    this.#session.disconnect();
  }

  /** Also begins to count anew. */
  #take(): CoverageResult {
    return this.#ask("Profiler.takePreciseCoverage") as CoverageResult;
  }

  #ask(method: string, params: object = {}): unknown {
    let answer: unknown;
    // To a session of the same thread the answer comes before post returns.
    this.#session.post(method, params, (error, result) => {
      if (error !== null) throw error;
      answer = result;
    });
    return answer;
  }
}
