/** Signs trust updates, as the fleet's offline key does; also such as no honest fleet would. */
import type { FleetSigningKey } from "#src/identity/fleet-signing-key.ts";
import type { FleetKey } from "#src/identity/time/time-statement.ts";
import {
  ANY,
  bundleDigest,
  formatTrustUpdate,
  signTrustUpdate,
  type TrustUpdate,
} from "#src/rotation/trust-update.ts";
import { fleetKey } from "./fleet-key.ts";

export class TrustSigner {
  readonly key: FleetKey;
  /** As it stands in the configuration. */
  readonly text: string;
  readonly #signer: FleetSigningKey;

  constructor(seed = 9) {
    this.#signer = fleetKey(seed);
    this.key = this.#signer.key;
    this.text = this.#signer.text;
  }

  /** One line; `signed` differs from what travels only when a test cheats. */
  sign(
    changes: Partial<TrustUpdate> & Pick<TrustUpdate, "sequence" | "bundle">,
    signed: Partial<TrustUpdate> = {},
  ): string {
    const update: TrustUpdate = {
      ...{ device: ANY, epoch: ANY, previous: ANY },
      ...{ notBefore: 0, notAfter: Date.UTC(2040, 0, 1), ...changes },
    };
    return formatTrustUpdate({
      ...signTrustUpdate({ ...update, ...signed }, this.#signer),
      ...update,
    });
  }

  /** Updates that follow each other, from the first bundle on: `bundles[0]` is what devices begin with. */
  chain(bundles: readonly string[]): readonly string[] {
    return bundles.slice(1).map((bundle, index) =>
      this.sign({
        ...{ sequence: index + 1, bundle },
        previous: bundleDigest(bundles[index] ?? ""),
      }),
    );
  }
}
