// Tests run as native ES modules under Node 24 (scripts/test.ts passes --experimental-vm-modules).
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  testMatch: [
    '<rootDir>/provider/**/*.test.ts',
    '<rootDir>/test/**/*.test.ts',
    '<rootDir>/scripts/**/*.test.ts',
  ],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript' },
          target: 'es2024',
          // The helper that swc 1.16 writes into a file for `await using` names a class that it never declares: an error
          // of the body together with one of the disposal ends in a ReferenceError. The one of the package is right.
          externalHelpers: true,
          experimental: { keepImportAttributes: true },
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  testSequencer: '<rootDir>/scripts/test/sequencer.mjs',
  testTimeout: 60_000,
  // One more than the two cores that these tests are made for: servers and engines are waited for a good part of the time.
  maxWorkers: 3,
};
