/** Turns the pages of one state into an LTX file. */

import { type EncodedLTX, LTXEncoder, type LTXEncoderOptions } from '../../formats/ltx/encoder.ts';
import type { LTXHeaderInit } from '../../formats/ltx/header.ts';
import { Breather } from './breather.ts';
import type { PageRun, PageSource } from './page-source.ts';
import type { FileAttributes, PublishFS } from './publish-fs.ts';
import { StagedWriter } from './staged-writer.ts';

export interface LTXFileJob {
  readonly fs: PublishFS;
  readonly path: string;
  readonly attributes: FileAttributes;
  readonly header: LTXHeaderInit;
  readonly encoding: LTXEncoderOptions;
  readonly source: PageSource;
  /** The pages to write, ascending; asked for the longest run that the encoder takes. */
  readonly runs: (maxRun: number) => Iterable<PageRun>;
  /** Ends the writing with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Writes beside, makes the content durable, renames; the caller syncs the directory. Nothing is left behind when it throws. */
export async function writeLTXFile(job: LTXFileJob): Promise<EncodedLTX> {
  const staged = new StagedWriter(job.fs, job.path, job.attributes);
  try {
    const encoded = await encode(job, (chunk) => staged.write(chunk));
    staged.publish();
    return encoded;
  } catch (error) {
    staged.discard();
    throw error;
  }
}

async function encode(job: LTXFileJob, sink: (chunk: Uint8Array) => void): Promise<EncodedLTX> {
  const { header, encoding, source, signal } = job;
  using encoder = new LTXEncoder(sink, header, encoding);
  const breather = new Breather();
  for (const { first, count } of job.runs(encoder.maxRun)) {
    encoder.writePages(first, count, (into) => source.readRun(first, into));
    await breather.pause();
    signal?.throwIfAborted();
  }
  return encoder.finish();
}
