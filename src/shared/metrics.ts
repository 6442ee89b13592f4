// A small registry of counters, gauges and histograms with the Prometheus text format. No I/O. Label values never come from the stream.
// No library: labels are few, and documentation and alerts come from our catalogue of metrics.

type Labels = Readonly<Record<string, string | number>>;

interface Series {
  readonly labels: Labels;
  value: number;
  /** Histograms only: cumulative count per bucket, then sum. */
  buckets?: number[];
  sum?: number;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly bounds: readonly number[];
  readonly series: Map<string, Series>;
  /** Called before rendering, to set gauges on demand. */
  collect?: () => void;
}

/** Bucket bounds in seconds for durations from a millisecond to a minute. */
const DURATION_SECONDS = [
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
  60,
] as const;

export interface CounterMetric {
  inc(by?: number, labels?: Labels): void;
  value(labels?: Labels): number;
}
export interface Gauge {
  set(value: number, labels?: Labels): void;
  /** Removes all series, and with them labels that no longer exist. */
  clear(): void;
}
export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

/** Holds metric families. `render` writes the text exposition format 0.0.4. */
export class Registry {
  readonly #families = new Map<string, Family>();

  counter(name: string, help: string): CounterMetric {
    const family = this.#family(name, help, "counter");
    return {
      inc: (by = 1, labels = {}) => void (this.#series(family, labels).value += by),
      value: (labels = {}) => this.#series(family, labels).value,
    };
  }

  gauge(name: string, help: string, collect?: () => void): Gauge {
    const family = this.#family(name, help, "gauge");
    if (collect) family.collect = collect;
    return {
      set: (value, labels = {}) => void (this.#series(family, labels).value = value),
      clear: () => family.series.clear(),
    };
  }

  histogram(name: string, help: string, bounds: readonly number[] = DURATION_SECONDS): Histogram {
    const family = this.#family(name, help, "histogram", bounds);
    return {
      observe: (value, labels = {}) => {
        const series = this.#series(family, labels);
        series.buckets ??= new Array<number>(bounds.length).fill(0);
        for (let i = 0; i < bounds.length; i++) if (value <= bounds[i]!) series.buckets[i]!++;
        series.sum = (series.sum ?? 0) + value;
        series.value++;
      },
    };
  }

  /** All families, for tests of the documentation. */
  describe(): readonly { readonly name: string; readonly help: string; readonly type: string }[] {
    return [...this.#families.values()].map(({ name, help, type }) => ({ name, help, type }));
  }

  render(): string {
    const lines: string[] = [];
    for (const family of this.#families.values()) {
      family.collect?.();
      lines.push(`# HELP ${family.name} ${family.help}`, `# TYPE ${family.name} ${family.type}`);
      for (const series of family.series.values()) {
        if (family.type !== "histogram") {
          lines.push(`${family.name}${renderLabels(series.labels)} ${number(series.value)}`);
          continue;
        }
        family.bounds.forEach((bound, i) =>
          lines.push(
            `${family.name}_bucket${renderLabels({ ...series.labels, le: bound })} ${series.buckets?.[i] ?? 0}`,
          )
        );
        lines.push(`${family.name}_bucket${renderLabels({ ...series.labels, le: "+Inf" })} ${series.value}`);
        lines.push(
          `${family.name}_sum${renderLabels(series.labels)} ${series.sum ?? 0}`,
          `${family.name}_count${renderLabels(series.labels)} ${series.value}`,
        );
      }
    }
    return lines.join("\n") + "\n";
  }

  #family(name: string, help: string, type: Family["type"], bounds: readonly number[] = []): Family {
    const known = this.#families.get(name);
    if (known) return known;
    const family: Family = { name, help, type, bounds, series: new Map() };
    this.#families.set(name, family);
    return family;
  }

  #series(family: Family, labels: Labels): Series {
    const key = JSON.stringify(labels);
    let series = family.series.get(key);
    if (!series) family.series.set(key, series = { labels, value: 0 });
    return series;
  }
}

function renderLabels(labels: Labels): string {
  const entries = Object.entries(labels);
  if (entries.length === 0) return "";
  return `{${
    entries.map(([k, v]) => `${k}="${String(v).replace(/[\\"\n]/g, (c) => c === "\n" ? "\\n" : `\\${c}`)}"`).join(",")
  }}`;
}

function number(value: number): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return String(value);
}
