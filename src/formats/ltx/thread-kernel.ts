/** The kernel that the LTX files of one thread take turns on. */

import { Kernel } from '../kernel/kernel.ts';

let kernel: Kernel | undefined;

/** Made at the first call; its memory grows with the files open at the same time and is reused. */
export function threadKernel(): Kernel {
  kernel ??= Kernel.create();
  return kernel;
}
