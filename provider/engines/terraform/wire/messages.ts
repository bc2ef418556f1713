/**
 * The messages of Terraform's plugin protocol 6 that this provider speaks: each field's number and type. The numbers
 * are facts of the protocol (tfplugin6, version 6.8) and never change; a message or field that we neither read nor
 * write is left out, and the codec skips it when it arrives.
 *
 * A field is `[number, type]` or `[number, type, label]`. A type is a scalar or the name of a message. `oneof` marks
 * a member of a oneof: it is sent even when it holds its type's zero value.
 */
export type ScalarName = 'string' | 'bytes' | 'bool' | 'int64' | 'enum';
export type Label = 'repeated' | 'map' | 'oneof';
export type FieldSpec = readonly [number: number, type: string, label?: Label];

export const MESSAGES = {
  Empty: {},
  DynamicValue: { msgpack: [1, 'bytes'], json: [2, 'bytes'] },
  Diagnostic: {
    severity: [1, 'enum'],
    summary: [2, 'string'],
    detail: [3, 'string'],
    attribute: [4, 'AttributePath'],
  },
  AttributePath: { steps: [1, 'AttributePath.Step', 'repeated'] },
  'AttributePath.Step': {
    attributeName: [1, 'string', 'oneof'],
    elementKeyString: [2, 'string', 'oneof'],
    elementKeyInt: [3, 'int64', 'oneof'],
  },
  RawState: { json: [1, 'bytes'] },

  Schema: { version: [1, 'int64'], block: [2, 'Schema.Block'] },
  'Schema.Block': {
    version: [1, 'int64'],
    attributes: [2, 'Schema.Attribute', 'repeated'],
    description: [4, 'string'],
    descriptionKind: [5, 'enum'],
  },
  'Schema.Attribute': {
    name: [1, 'string'],
    type: [2, 'bytes'],
    description: [3, 'string'],
    required: [4, 'bool'],
    optional: [5, 'bool'],
    computed: [6, 'bool'],
    sensitive: [7, 'bool'],
    descriptionKind: [8, 'enum'],
    nestedType: [10, 'Schema.Object'],
    writeOnly: [11, 'bool'],
  },
  'Schema.Object': { attributes: [1, 'Schema.Attribute', 'repeated'], nesting: [3, 'enum'] },

  ServerCapabilities: { planDestroy: [1, 'bool'], getProviderSchemaOptional: [2, 'bool'] },
  ClientCapabilities: { deferralAllowed: [1, 'bool'], writeOnlyAttributesAllowed: [2, 'bool'] },

  'GetProviderSchema.Request': {},
  'GetProviderSchema.Response': {
    provider: [1, 'Schema'],
    resourceSchemas: [2, 'Schema', 'map'],
    dataSourceSchemas: [3, 'Schema', 'map'],
    diagnostics: [4, 'Diagnostic', 'repeated'],
    serverCapabilities: [6, 'ServerCapabilities'],
  },
  'ValidateProviderConfig.Request': { config: [1, 'DynamicValue'] },
  'ValidateProviderConfig.Response': { diagnostics: [2, 'Diagnostic', 'repeated'] },
  'ConfigureProvider.Request': {
    terraformVersion: [1, 'string'],
    config: [2, 'DynamicValue'],
    clientCapabilities: [3, 'ClientCapabilities'],
  },
  'ConfigureProvider.Response': { diagnostics: [1, 'Diagnostic', 'repeated'] },
  'StopProvider.Request': {},
  'StopProvider.Response': { Error: [1, 'string'] },

  'ValidateResourceConfig.Request': {
    typeName: [1, 'string'],
    config: [2, 'DynamicValue'],
    clientCapabilities: [3, 'ClientCapabilities'],
  },
  'ValidateResourceConfig.Response': { diagnostics: [1, 'Diagnostic', 'repeated'] },
  'UpgradeResourceState.Request': {
    typeName: [1, 'string'],
    version: [2, 'int64'],
    rawState: [3, 'RawState'],
  },
  'UpgradeResourceState.Response': {
    upgradedState: [1, 'DynamicValue'],
    diagnostics: [2, 'Diagnostic', 'repeated'],
  },
  'ReadResource.Request': {
    typeName: [1, 'string'],
    currentState: [2, 'DynamicValue'],
    private: [3, 'bytes'],
    clientCapabilities: [5, 'ClientCapabilities'],
  },
  'ReadResource.Response': {
    newState: [1, 'DynamicValue'],
    diagnostics: [2, 'Diagnostic', 'repeated'],
    private: [3, 'bytes'],
  },
  'PlanResourceChange.Request': {
    typeName: [1, 'string'],
    priorState: [2, 'DynamicValue'],
    proposedNewState: [3, 'DynamicValue'],
    config: [4, 'DynamicValue'],
    priorPrivate: [5, 'bytes'],
    clientCapabilities: [7, 'ClientCapabilities'],
  },
  'PlanResourceChange.Response': {
    plannedState: [1, 'DynamicValue'],
    requiresReplace: [2, 'AttributePath', 'repeated'],
    plannedPrivate: [3, 'bytes'],
    diagnostics: [4, 'Diagnostic', 'repeated'],
  },
  'ApplyResourceChange.Request': {
    typeName: [1, 'string'],
    priorState: [2, 'DynamicValue'],
    plannedState: [3, 'DynamicValue'],
    config: [4, 'DynamicValue'],
    plannedPrivate: [5, 'bytes'],
  },
  'ApplyResourceChange.Response': {
    newState: [1, 'DynamicValue'],
    private: [2, 'bytes'],
    diagnostics: [3, 'Diagnostic', 'repeated'],
  },
  'ImportResourceState.Request': { typeName: [1, 'string'], id: [2, 'string'] },
  'ImportResourceState.ImportedResource': { typeName: [1, 'string'], state: [2, 'DynamicValue'] },
  'ImportResourceState.Response': {
    importedResources: [1, 'ImportResourceState.ImportedResource', 'repeated'],
    diagnostics: [2, 'Diagnostic', 'repeated'],
  },
  'ValidateDataResourceConfig.Request': { typeName: [1, 'string'], config: [2, 'DynamicValue'] },
  'ValidateDataResourceConfig.Response': { diagnostics: [1, 'Diagnostic', 'repeated'] },
  'ReadDataSource.Request': { typeName: [1, 'string'], config: [2, 'DynamicValue'] },
  'ReadDataSource.Response': { state: [1, 'DynamicValue'], diagnostics: [2, 'Diagnostic', 'repeated'] },
} as const satisfies Readonly<Record<string, Readonly<Record<string, FieldSpec>>>>;

/** `Diagnostic.Severity`. */
export const SEVERITY = { error: 1, warning: 2 } as const;
/** `StringKind`. */
export const STRING_KIND = { plain: 0, markdown: 1 } as const;
/** `Schema.Object.NestingMode`. */
export const NESTING = { single: 1, list: 2, map: 4 } as const;

type Messages = typeof MESSAGES;
export type MessageName = keyof Messages;

type Single<T> = T extends 'string'
  ? string
  : T extends 'bytes'
    ? Uint8Array
    : T extends 'bool'
      ? boolean
      : T extends 'int64' | 'enum'
        ? number
        : T extends MessageName
          ? Message<T>
          : never;
type Labelled<T, L> = L extends 'repeated'
  ? readonly Single<T>[]
  : L extends 'map'
    ? Readonly<Record<string, Single<T>>>
    : Single<T>;

/**
 * A message as it is sent and received: a field that is absent was not sent, or has its type's zero value.
 * Integers are numbers; one beyond 2^53 is refused by the codec.
 */
export type Message<N extends MessageName> = {
  readonly [F in keyof Messages[N]]?: Messages[N][F] extends readonly [number, infer T, infer L]
    ? Labelled<T, L>
    : Messages[N][F] extends readonly [number, infer T]
      ? Single<T>
      : never;
};

/** The calls of `tfplugin6.Provider` that are served; grpc-js answers all others with UNIMPLEMENTED. */
export const PROVIDER_METHODS = [
  'GetProviderSchema',
  'ValidateProviderConfig',
  'ConfigureProvider',
  'StopProvider',
  'ValidateResourceConfig',
  'UpgradeResourceState',
  'ReadResource',
  'PlanResourceChange',
  'ApplyResourceChange',
  'ImportResourceState',
  'ValidateDataResourceConfig',
  'ReadDataSource',
] as const;
export type ProviderMethod = (typeof PROVIDER_METHODS)[number];

/** What serves the calls of `tfplugin6.Provider`. */
export type ProviderHandlers = {
  readonly [M in ProviderMethod]: (request: Message<`${M}.Request`>) => Promise<Message<`${M}.Response`>>;
};
