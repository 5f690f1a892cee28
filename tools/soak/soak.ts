/** `npm run soak [SECONDS]`: ten minutes unless told otherwise; exits 1 when a budget does not hold. For the night. */

import { soak } from './run.ts';

const report = await soak(Number(process.argv[2] ?? 600), (line) => console.log(line));
const { violations, ...numbers } = report;
console.log(JSON.stringify(numbers, undefined, 2));
console.log(`write amplification ${(report.putBytes / report.capturedBytes).toFixed(2)}`);
for (const violation of new Set(violations)) console.error(violation);
console.log(violations.length === 0 ? 'all budgets hold' : 'BUDGETS DO NOT HOLD');
process.exitCode = violations.length === 0 ? 0 : 1;
