/** Keeps one database's engine open: opens it, opens it again when its thread has died, and tells each one which TXIDs are taken. */

import { join } from 'node:path';
import { orAbort } from '../base/abortable.ts';
import { Backoff } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { type ErrorData, errorToData, LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { ColdPlace } from '../engine/cold/fingerprint.ts';
import type { DatabaseEngine } from '../engine/database-engine.ts';
import type { EngineEvent } from '../engine/events.ts';
import type { DatabaseSettings } from '../engine/options.ts';
import { ProblemLog } from '../engine/upload/failures.ts';
import { LocalLog } from '../engine/upload/local-log.ts';
import { NO_TXID, type TXID } from '../formats/ltx/txid.ts';
import { EngineView } from './engine-view.ts';
import type { Floors } from './floors.ts';

/** How an engine is brought up; answers the same whether it lives in this thread or another. */
export type OpenEngine = (
  settings: DatabaseSettings,
  facts: { readonly floor: TXID | undefined },
  listener: { readonly onEvent: (event: EngineEvent) => void; readonly onStopped: (error: LitestreamError) => void },
) => DatabaseEngine;

export interface EngineKeeperOptions {
  readonly settings: DatabaseSettings;
  readonly floors: Floors;
  readonly clock: Clock;
  readonly log: Logger;
  readonly openEngine: OpenEngine;
  readonly onEvent: (event: EngineEvent) => void;
}

const REOPEN = { initialMs: 500, capMs: 300_000, jitter: 0.1 };
/** An engine that lived for this long did not die of what killed the one before, ms. */
const SOUND_LIFE = 60_000;

export class EngineKeeper {
  readonly view: EngineView;
  readonly #options: EngineKeeperOptions;
  readonly #closing = new AbortController();
  readonly #backoff = new Backoff(REOPEN);
  readonly #losses: ProblemLog;
  readonly #raises: ProblemLog;
  #engine: DatabaseEngine | undefined;
  #openedAt = 0;
  #reopening: Promise<void> = Promise.resolve();

  constructor(options: EngineKeeperOptions) {
    this.#options = options;
    const { clock, log } = options;
    this.view = new EngineView(clock);
    this.#losses = new ProblemLog(clock, log, {
      level: 'error',
      failing: 'the engine was lost; opening it again',
      over: 'the engine works again',
    });
    this.#raises = new ProblemLog(clock, log, {
      level: 'warn',
      failing: 'raising the position failed; it is done when the engine is opened again',
    });
  }

  /** The engine, if there is one. */
  get current(): DatabaseEngine | undefined {
    return this.#engine;
  }

  /** DB_NOT_OPEN when there is none. */
  get running(): DatabaseEngine {
    if (this.#engine !== undefined) return this.#engine;
    throw new LitestreamError('DB_NOT_OPEN', `database ${this.#options.settings.name} is not open`, {
      hint: 'Its state and the reason are in `litestream status`.',
    });
  }

  /** Brings an engine up, and another one whenever it is lost. */
  open(): void {
    if (this.#closing.signal.aborted) return;
    const { settings, floors, clock, openEngine } = this.#options;
    this.#openedAt = clock.monotonic();
    const life: { engine?: DatabaseEngine } = {};
    try {
      life.engine = openEngine(
        settings,
        { floor: floors.areKnown ? floors.highest : undefined },
        {
          onEvent: (event) => this.#observe(event),
          onStopped: (error) => {
            if (life.engine !== undefined && life.engine === this.#engine) this.#lost(error);
          },
        },
      );
      this.#engine = life.engine;
    } catch (error) {
      this.#lost(error);
      return;
    }
    void this.tellFloor();
  }

  /**
   * Tells the engine which TXIDs are taken. While a replica has not been heard, only an engine with local files to continue is told: another
   * would begin, perhaps at a TXID that the silent replica holds with other content.
   */
  async tellFloor(): Promise<void> {
    const { floors } = this.#options;
    if (this.#engine === undefined) return; // the next one is told when it is opened
    try {
      if (!floors.areKnown && (floors.highest === NO_TXID || !(await this.#hasLocalFiles()))) return;
      await this.#engine?.raise(floors.highest);
    } catch (thrown) {
      const error = errorToData(thrown);
      this.#raises.failed(error.code, { error });
    }
  }

  /** Closes the engine until `open` if it is idle; see DatabaseEngine.closeIfIdle. One that fails at it is opened anew. */
  async cool(sharedLock: string): Promise<ColdPlace | undefined> {
    const engine = this.#engine;
    try {
      const place = await engine?.closeIfIdle(sharedLock);
      if (place !== undefined && this.#engine === engine) this.#engine = undefined;
      return place;
    } catch (error) {
      if (this.#engine === engine) this.#lost(error);
      throw error;
    }
  }

  /**
   * Final sync, then releases everything. No engine is opened any more.
   * @param signal gives up waiting for an engine that does not end.
   */
  async close(signal: AbortSignal): Promise<LitestreamError | undefined> {
    const { settings, log } = this.#options;
    this.#closing.abort(new LitestreamError('SHUTTING_DOWN', `replication of ${settings.name} is being stopped`));
    await this.#reopening;
    const standing = this.#standingError();
    try {
      await this.#closeEngine(signal);
      return undefined;
    } catch (thrown) {
      // What kept it from being captured all along says more than how the last attempt ended.
      const error = standing ?? errorToData(thrown);
      log.log('error', 'the final sync failed', { error });
      const { code, message, ...rest } = error;
      return new LitestreamError(code, `final sync of ${settings.name}: ${message}`, { ...rest });
    }
  }

  async #closeEngine(signal: AbortSignal): Promise<void> {
    const engine = this.#engine;
    this.#engine = undefined;
    const standing = this.#standingError();
    const failure = standing === undefined || engine === undefined ? standing : await this.#lastAttempt(engine, signal);
    if (engine !== undefined) await orAbort(engine.close(), signal);
    if (failure !== undefined) throw failure;
  }

  /** Why the engine has not captured, if it said so last. */
  #standingError(): ErrorData | undefined {
    const { state, error } = this.view.last;
    return state === 'failing' || state === 'stopped' ? error : undefined;
  }

  /** An engine that was not open has nothing to close, and nothing would say that its changes were never captured. */
  async #lastAttempt(engine: DatabaseEngine, signal: AbortSignal): Promise<unknown> {
    try {
      await orAbort(engine.sync(), signal);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  #observe(event: EngineEvent): void {
    this.view.observe(event);
    if (event.type === 'synced') this.#options.floors.note(event.txid);
    if (event.type === 'state' && (event.state === 'replicating' || event.state === 'waiting')) this.#losses.succeeded();
    this.#options.onEvent(event);
  }

  #lost(error: unknown): void {
    const { clock } = this.#options;
    this.#engine = undefined;
    if (this.#closing.signal.aborted) return;
    if (clock.monotonic() - this.#openedAt > SOUND_LIFE) this.#backoff.reset();
    const delayMs = Math.round(this.#backoff.next());
    const data = errorToData(error);
    this.view.fail(data);
    this.#losses.failed(data.code, { error: data, retry_in_ms: delayMs });
    this.#reopening = clock.sleep(delayMs, { signal: this.#closing.signal }).then(
      () => this.open(),
      () => {}, // stopped while waiting
    );
  }

  async #hasLocalFiles(): Promise<boolean> {
    return (await new LocalLog(join(this.#options.settings.metaPath, 'ltx', '0')).list()).length > 0;
  }
}
