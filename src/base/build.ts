/**
 * Which build of microedge this is. `scripts/build.ts` replaces the identifier below with the facts
 * of the commit it builds; run from the sources, nothing replaces it and the answer says so.
 */

export interface Build {
  /** Semantic version, from package.json. */
  readonly version: string;
  /** Full Git commit, or "unknown" when built outside a Git checkout. */
  readonly commit: string;
  /** Whether the checkout held changes that the commit does not. */
  readonly dirty: boolean;
  /** When the commit was made (or SOURCE_DATE_EPOCH), ISO 8601 in UTC; never the time of the build. */
  readonly date: string;
}

declare const MICROEDGE_BUILD: Build;

export const BUILD: Build =
  typeof MICROEDGE_BUILD === "undefined"
    ? {
        version: "0.0.0-sources",
        commit: "unknown",
        dirty: true,
        date: "1970-01-01T00:00:00.000Z",
      }
    : MICROEDGE_BUILD;
