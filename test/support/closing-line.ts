/** Ends a test run with why tests were skipped, where they say so, and one line of counts that any log reader understands. */

import type { Reporter, TestModule } from 'vitest/node';

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const reasons = new Map<string, number>();
    for (const module of modules) {
      if (!module.ok() && [...module.children.allTests()].length === 0) counts.failed++;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state !== 'pending') counts[result.state]++;
        if (result.state === 'skipped' && result.note !== undefined) reasons.set(result.note, (reasons.get(result.note) ?? 0) + 1);
      }
    }
    for (const [reason, count] of reasons) console.log(`skipped: ${reason} (${count})`);
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  }
}
