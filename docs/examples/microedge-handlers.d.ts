// Types for authors of handler modules. In a module:
//
//   /** @param {import("./microedge-handlers.d.ts").HandlerSdk} sdk */
//   export function register(sdk) { … }
//
// Nothing here is loaded at run time: copy the file next to your modules.

/** What an endpoint does to the device. Without an [acl] section peers may call `read` only. */
export type EndpointKind = "read" | "write" | "admin";

/** The type of a body: of `sdk.schema`, of `sdk.protobuf(…).message(…)`, `sdk.bytes`, or any Standard Schema. */
export type BodyType<T> =
  | {
      readonly "~standard": {
        readonly version: 1;
        readonly vendor: string;
        readonly validate: (value: unknown) => unknown;
        readonly types?: { readonly input: unknown; readonly output: T } | undefined;
      };
    }
  | MessageType<T>;

/** A body that travels in other codecs than JSON, too. */
export interface MessageType<T> {
  readonly typeName: string;
  fromProtobuf(bytes: Uint8Array): T;
}

/** One call, as a handler sees it. */
export interface Call {
  readonly service: string;
  /** `Handler.Method`. */
  readonly endpoint: string;
  /** The caller's id for this call; empty if it sent none. */
  readonly id: string;
  /** What the caller sent along, by lower-case name. */
  readonly metadata: ReadonlyMap<string, string>;
  /** What goes along with the answer; for a stream, with its first message. */
  readonly replyMetadata: Map<string, string>;
  readonly peer: {
    /** `false` in observe and insecure mode: then the names below prove nothing. */
    readonly verified: boolean;
    readonly cn: string;
    readonly spiffeId: string | undefined;
    readonly dnsNames: readonly string[];
    readonly ipAddresses: readonly string[];
    readonly roles: readonly string[];
    /** Address and port. */
    readonly remote: string;
  };
  /** Aborts when the caller goes away or its time is up: stop working then. */
  readonly signal: AbortSignal;
}

export interface UnaryDefinition<Q, R> {
  /** Default `write`. */
  readonly kind?: EndpointKind;
  readonly request: BodyType<Q>;
  readonly response: BodyType<R>;
  /** Answer with a value where nothing is waited for; a promise costs every call. */
  handle(request: Q, call: Call): R | Promise<R>;
}

export interface StreamDefinition<Q, R> {
  /** Default `write`. */
  readonly kind?: EndpointKind;
  readonly request: BodyType<Q>;
  readonly response: BodyType<R>;
  /** Usually an async generator. It is pulled no faster than the caller reads. */
  handle(requests: AsyncIterable<Q>, call: Call): AsyncIterable<R>;
}

export interface Registrar {
  /** @param name `Handler.Method`. */
  unary<Q, R>(name: string, definition: UnaryDefinition<Q, R>): void;
  stream<Q, R>(name: string, definition: StreamDefinition<Q, R>): void;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** The call may run twice with the effect of once: only then is it tried again. */
  readonly idempotent?: boolean;
}

export interface HandlerSdk extends Registrar {
  /** Registers under another service name than the module's own. */
  service(name: string): Registrar;
  /** The part of valibot that the program holds; see docs/handlers.md for the list. */
  readonly schema: typeof import("valibot");
  /** A body of raw bytes (`application/octet-stream`). */
  readonly bytes: MessageType<Uint8Array>;
  /** Messages of a `FileDescriptorSet`. */
  protobuf(descriptorSet: Uint8Array): {
    message<T = Record<string, unknown>>(
      typeName: string,
      options?: { readonly bytesField?: string },
    ): MessageType<T>;
  };
  /** An error to throw: a code of 400 to 599 and a text for the caller. */
  error(code: number, detail: string, id?: string): Error;
  /** Calls to other services. */
  readonly client: {
    call(service: string, endpoint: string, body: unknown, options?: CallOptions): Promise<unknown>;
  };
  readonly log: {
    info(text: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
    warn(text: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
  };
}
