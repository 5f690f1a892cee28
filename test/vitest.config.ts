import { defineConfig } from 'vitest/config';

const long = process.env.LITESTREAM_TEST_LONG === '1';

export default defineConfig({
  test: {
    include: [long ? 'test/long/**/*.test.ts' : 'test/**/*.test.ts'],
    exclude: long ? [] : ['test/long/**'],
    globalSetup: ['./test/support/services-setup.ts'],
    reporters: ['default', './test/support/closing-line.ts'],
    pool: 'forks',
    // As the launcher does.
    execArgv: ['--expose-gc', '--no-sparkplug'],
    maxWorkers: 3,
    // Generous: the machine may be busy.
    testTimeout: 90_000,
    hookTimeout: 90_000,
    expect: { poll: { timeout: 30_000 } },
  },
});
