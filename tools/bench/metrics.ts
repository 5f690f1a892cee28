/** Numbers out of a Prometheus text exposition. */

export class Exposition {
  readonly #samples: readonly { readonly name: string; readonly labels: Readonly<Record<string, string>>; readonly value: number }[];

  constructor(text: string) {
    this.#samples = text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const [, name = '', labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
        return { name, labels: labelsOf(labels), value: value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value) };
      });
  }

  /** All samples of a name that have these labels, added up; 0 for none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.#samples
      .filter((sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
      .reduce((sum, { value }) => sum + value, 0);
  }

  /** Upper end of the bucket in which the quantile lies, all series together; NaN without observations. What was observed before `since` does not count. */
  quantile(name: string, share: number, since: Exposition = NOTHING): number {
    const bounds = [...new Set(this.#samples.filter((sample) => sample.name === `${name}_bucket`).map(({ labels }) => labels.le ?? ''))];
    const count = (le: string): number => this.sum(`${name}_bucket`, { le }) - since.sum(`${name}_bucket`, { le });
    const total = count('+Inf');
    if (total === 0) return Number.NaN;
    const sorted = bounds
      .map((le) => ({ le, bound: le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le) }))
      .sort((a, b) => a.bound - b.bound);
    return sorted.find(({ le }) => count(le) >= share * total)?.bound ?? Number.NaN;
  }
}

const NOTHING = new Exposition('');

function labelsOf(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', value = '']) => [key, value]));
}
