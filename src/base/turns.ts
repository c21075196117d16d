/**
 * Lets changes of one thing run one after another, in the order in which they were asked for. Whoever asked
 * for one gets its error; the next one runs all the same.
 */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `change` when everything that was asked for before has ended. Rejects with what it rejects with. */
  take<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(change);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Resolves when nothing runs or waits; never rejects. */
  async idle(): Promise<void> {
    for (let seen: unknown; seen !== this.#last; ) {
      seen = this.#last;
      await seen;
    }
  }
}
