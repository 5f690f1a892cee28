import { defineConfig } from 'vitest/config';

const long = process.env.LITESTREAM_TEST_LONG === '1';

export default defineConfig({
  test: {
    include: [long ? 'test/long/**/*.test.ts' : 'test/**/*.test.ts'],
    exclude: long ? [] : ['test/long/**'],
    globalSetup: ['./test/support/services-setup.ts'],
    reporters: ['default', './test/support/closing-line.ts'],
    pool: 'forks',
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // The default of one second is little on a busy machine.
    expect: { poll: { timeout: 15_000 } },
  },
});
