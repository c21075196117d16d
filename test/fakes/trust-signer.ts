/** Signs trust updates, as the fleet's offline key does. */
import { createPrivateKey, sign } from "node:crypto";
import { type FleetKey, parseFleetKey } from "#src/identity/time/time-statement.ts";
import {
  ANY,
  bundleDigest,
  formatTrustUpdate,
  type TrustUpdate,
  trustUpdateBytes,
} from "#src/rotation/trust-update.ts";

export class TrustSigner {
  readonly key: FleetKey;
  /** As it stands in the configuration. */
  readonly text: string;
  readonly #der: Buffer;

  constructor(seed = 9) {
    // PKCS #8 of an Ed25519 key (RFC 8410 section 7): a fixed head, then the 32 bytes.
    const head = Buffer.from("302e020100300506032b657004220420", "hex");
    this.#der = Buffer.concat([head, Buffer.alloc(32, seed)]);
    const { x = "" } = this.#private().export({ format: "jwk" });
    this.text = `ed25519:${Buffer.from(x, "base64url").toString("base64")}`;
    this.key = parseFleetKey(this.text);
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
    const bytes = trustUpdateBytes({ ...update, ...signed });
    const signature = new Uint8Array(sign(null, bytes, this.#private()));
    return formatTrustUpdate({ ...update, key: this.key.id, signature });
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

  #private() {
    return createPrivateKey({ key: this.#der, format: "der", type: "pkcs8" });
  }
}
