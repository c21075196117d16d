// biome-ignore-all lint/suspicious/noExplicitAny: what comes from another service has no type here

// Types for authors of handler modules. In a module:
//
//   /** @param {import("./microedge-handlers.d.ts").HandlerSdk} sdk */
//   export function register(sdk) { … }
//
// Nothing here is loaded at run time: copy the file next to your modules. The types of `sdk.schema` come from
// the package valibot, needed on your machine only (`npm install --save-dev valibot`).

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

/** What a codec's functions exchange: what JSON can say, and bytes and exact 64-bit integers besides. */
export type CodecValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly CodecValue[]
  | { readonly [member: string]: CodecValue };

/** For both directions. Each limit has a default and a most. */
export interface CodecLimits {
  /** Default 1 MiB; at most rpc.max_body_bytes. */
  readonly maxBodyBytes?: number;
  /** Default 32, at most 64. */
  readonly maxDepth?: number;
  /** Characters of a string or member name, bytes of a byte string. Default 65,536. */
  readonly maxStringLength?: number;
  /** Default 10,000, at most 25,000. */
  readonly maxArrayLength?: number;
  /** Members of one object. Default 1,000, at most 25,000. */
  readonly maxKeys?: number;
  readonly minNumber?: number;
  readonly maxNumber?: number;
  /** Time for one body, in one direction. Default 250, at most 2,000. */
  readonly maxMs?: number;
}

export interface CodecDefinition {
  /** `type/subtype`, lower case, without parameters; not one that is built in. */
  readonly contentType: string;
  /** Throws a `SyntaxError`, or `sdk.error(400, …)`, for a body that is bad. Anything else is its own failure. */
  read(bytes: Uint8Array): unknown;
  write(value: CodecValue): Uint8Array;
  /** Says what is wrong with a value that was read; nothing if it is good. */
  checkRead?(value: CodecValue): string | boolean | undefined;
  /** Says what is wrong with a value before it is written. */
  checkWrite?(value: CodecValue): string | boolean | undefined;
  readonly limits?: CodecLimits;
}

export interface Registrar {
  /** @param name `Handler.Method`. */
  unary<Q, R>(name: string, definition: UnaryDefinition<Q, R>): void;
  stream<Q, R>(name: string, definition: StreamDefinition<Q, R>): void;
}

interface ClientOptions {
  /** For the whole call, or stream. */
  readonly timeoutMs?: number;
  /** Attempts after the first. */
  readonly retries?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** `protobuf` and `proto-rpc` need `request` and `response`. */
  readonly codec?: "json" | "protobuf" | "json-rpc" | "proto-rpc" | "bytes";
  /** Of `sdk.protobuf(…).message(…)`. */
  readonly request?: MessageType<any>;
  readonly response?: MessageType<any>;
  /** Calls this `host:port`; the registry is not asked. */
  readonly address?: string;
  /** With `address`: the name in its certificate, when it is not the host. */
  readonly serverName?: string;
}

export interface CallOptions extends ClientOptions {
  /** For one attempt. */
  readonly attemptTimeoutMs?: number;
  /** The call may run twice with the effect of once: only then is it sent again. */
  readonly idempotent?: boolean;
}

export interface StreamOptions extends ClientOptions {
  /** After `end()`: how long to wait for each further reply; default 5000. */
  readonly endTimeoutMs?: number;
}

export interface CallReply {
  readonly body: any;
  readonly metadata: ReadonlyMap<string, string>;
  /** Address of the node that answered. */
  readonly node: string;
  readonly attempts: number;
}

export interface ClientStream extends AsyncIterable<any>, AsyncDisposable {
  /** Waits while the service does not keep up. */
  send(message: unknown): Promise<void>;
  /** `undefined` after the end. */
  receive(): Promise<any>;
  /** Says that no more is sent. */
  end(): Promise<void>;
  close(): Promise<void>;
}

/** What the client throws; see docs/clients.md for the codes. */
export interface ClientError extends Error {
  readonly code: string;
  /** What the service answered, if it did. */
  readonly remote?: {
    readonly id: string;
    readonly code: number;
    readonly detail: string;
    readonly status: string;
  };
}

/** The part of valibot that the program holds. */
export type SchemaName =
  | "array"
  | "bigint"
  | "boolean"
  | "check"
  | "email"
  | "integer"
  | "isoTimestamp"
  | "lazy"
  | "literal"
  | "maxLength"
  | "maxValue"
  | "minLength"
  | "minValue"
  | "nullable"
  | "nullish"
  | "number"
  | "object"
  | "optional"
  | "picklist"
  | "pipe"
  | "record"
  | "regex"
  | "strictObject"
  | "string"
  | "transform"
  | "trim"
  | "tuple"
  | "union"
  | "unknown"
  | "variant";

export interface HandlerSdk extends Registrar {
  /** Registers under another service name than the module's own. */
  service(name: string): Registrar;
  /** Speaks a further content type, for all endpoints of the agent. */
  codec(definition: CodecDefinition): void;
  readonly schema: Pick<typeof import("valibot"), SchemaName>;
  /** Raw bytes: as they are in `application/octet-stream`, a base64 string in JSON. */
  readonly bytes: MessageType<Uint8Array>;
  /** Messages of a `FileDescriptorSet`. */
  protobuf(descriptorSet: Uint8Array): {
    message<T = Record<string, any>>(
      typeName: string,
      options?: { readonly bytesField?: string },
    ): MessageType<T>;
  };
  /** An error to throw: a code of 400 to 599 and a text for the caller. */
  error(code: number, detail: string, id?: string): Error;
  /** Calls to other services (docs/clients.md). What it throws is a {@link ClientError}. */
  readonly client: {
    call(service: string, endpoint: string, body: unknown, options?: CallOptions): Promise<any>;
    exchange(
      service: string,
      endpoint: string,
      body: unknown,
      options?: CallOptions,
    ): Promise<CallReply>;
    stream(service: string, endpoint: string, options?: StreamOptions): ClientStream;
  };
  readonly log: {
    info(text: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
    warn(text: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
  };
}
