/** One row of the error table: what the three audiences of an error see. */
export interface ErrorRow {
  /** go-micro error `code`; go-micro carries it inside an HTTP 200. */
  readonly status: number;
  /** May the same call succeed later with nothing changed by the caller? */
  readonly retry: boolean;
  /** What to do next: one line, imperative, no secrets. */
  readonly hint: string;
}
