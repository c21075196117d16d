/** What every issuer that is asked over HTTPS is built of. */
import type { Random } from "../host/random.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import type { IssuerExchange } from "../transport/issuer-exchange.ts";
import type { IssuerRoots } from "./issuer-roots.ts";

export interface OnlineIssuerParts {
  /** `https:`. */
  readonly url: URL;
  readonly exchange: Pick<IssuerExchange, "ask">;
  readonly roots: IssuerRoots;
  readonly random: Random;
  readonly time: () => TimeView;
  /**
   * The chain in force (PEM), empty for none: with its intermediates the authority can be recognised while
   * the clock is wrong.
   */
  readonly ownChainPem: () => string;
}
