/** One tool call from arguments to answer: limits, audit, verb, wording, errors. Knows no protocol library. */

import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Caller, Effect } from '../control/caller.ts';
import type { Control } from '../control/control.ts';
import type { Progress } from '../control/progress.ts';
import type { CallContext, ConfirmAnswer, ConfirmQuestion } from '../control/verb.ts';
import { type Arguments, checkArguments } from './arguments.ts';
import type { AuditLine, AuditLog } from './audit.ts';
import type { ToolCard, VerbArguments } from './card.ts';
import { type ToolError, toToolError } from './errors.ts';
import { mapStrings, tidy } from './json-values.ts';
import type { CallGate } from './limits.ts';
import type { MCPObserver } from './observer.ts';
import { type Answer, present } from './presenter.ts';
import { CARDS, mayUse, verbOf } from './registry.ts';
import { clip } from './untrusted.ts';

/** What all calls of a door share. */
export interface CallServices {
  readonly control: Control;
  readonly gate: CallGate;
  readonly audit: AuditLog;
  readonly auditReads: boolean;
  readonly observer: MCPObserver;
  readonly clock: Clock;
  readonly log: Logger;
  readonly maxResultChars: number;
}

/** What a door knows about one call. */
export interface CallFacts {
  readonly caller: Caller;
  readonly transport: 'http' | 'sse' | 'stdio' | 'memory';
  readonly era: 'legacy' | 'modern';
  /** Name the client gives itself. */
  readonly client?: string;
  readonly protocol?: string;
  readonly signal: AbortSignal;
  readonly progress?: (progress: Progress) => void;
  /** This round brings the answer to a question that an earlier round of the same call asked. */
  readonly goesOn?: boolean;
  /** Present where a person can be asked: gives the answer of this round, or `ask` when there is none yet. */
  readonly personAnswer?: (question: ConfirmQuestion) => ConfirmAnswer | 'ask';
}

export type CallOutcome =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'error'; readonly error: ToolError }
  /** The person has to be asked; the call comes again with the answer. */
  | { readonly kind: 'ask'; readonly question: ConfirmQuestion };

/** Calls over this are logged. */
const SLOW_SECONDS = 2;

/** Runs one call. Never rejects: whatever goes wrong is an outcome. */
export async function callTool(services: CallServices, card: ToolCard, sent: unknown, facts: CallFacts): Promise<CallOutcome> {
  const run = new Run(services, card, facts);
  const outcome = await run.go(sent).catch((error: unknown): CallOutcome => ({ kind: 'error', error: run.failed(error) }));
  run.finish(outcome);
  return outcome;
}

class Run {
  readonly #services: CallServices;
  readonly #card: ToolCard;
  readonly #facts: CallFacts;
  readonly #id = randomBytes(6).toString('hex');
  readonly #startedAt: number;
  #effect: Effect;
  #args: Arguments = {};
  #question: ConfirmQuestion | undefined;
  #confirmed = false;

  constructor(services: CallServices, card: ToolCard, facts: CallFacts) {
    this.#services = services;
    this.#card = card;
    this.#facts = facts;
    this.#effect = verbOf(card).effect;
    this.#startedAt = services.clock.monotonic();
  }

  async go(sent: unknown): Promise<CallOutcome> {
    const { caller } = this.#facts;
    this.#args = checkArguments(this.#card, sent);
    this.#effect = this.#card.effectOf?.(this.#args) ?? this.#effect;
    this.#refuseOutOfReach();
    const leave = this.#services.gate.enter(caller.principal, this.#effect, this.#facts.goesOn);
    try {
      return await this.#work();
    } finally {
      leave();
    }
  }

  async #work(): Promise<CallOutcome> {
    let limit: number | undefined;
    // Each round asks for fewer entries; a single one that is too long is cut by the presenter.
    for (let round = 0; ; round += 1) {
      const args = limit === undefined ? this.#args : { ...this.#args, limit };
      const result = await this.#callVerb(args);
      if (this.#question !== undefined) return { kind: 'ask', question: this.#question };
      const fitted = present(this.#card, result, { caller: this.#facts.caller, args: this.#args }, this.#presentOptions(round > 2));
      if ('answer' in fitted) return { kind: 'answer', answer: fitted.answer };
      limit = fitted.fewer;
    }
  }

  async #callVerb(args: Arguments): Promise<Readonly<Record<string, unknown>>> {
    const { control } = this.#services;
    try {
      // The verb's own schema decides what the arguments are worth; a call cannot name another verb than the card's.
      return (await control.call(this.#card.verb, args as VerbArguments, this.#context())) as Readonly<Record<string, unknown>>;
    } catch (error) {
      // A question that is still open decides the outcome, whatever the verb made of the missing answer.
      if (this.#question !== undefined) return {};
      throw error;
    }
  }

  #context(): CallContext {
    const { caller, signal, progress, personAnswer, protocol } = this.#facts;
    const toolsets = [...new Set(CARDS.filter((card) => mayUse(card, caller)).map((card) => card.toolset))];
    return {
      caller,
      signal,
      ...(progress === undefined ? {} : { progress }),
      ...(personAnswer === undefined ? {} : { confirm: (question: ConfirmQuestion) => Promise.resolve(this.#confirm(question)) }),
      session: { ...(protocol === undefined ? {} : { protocol }), toolsets },
    };
  }

  #confirm(question: ConfirmQuestion): ConfirmAnswer {
    const answer = this.#facts.personAnswer?.(question) ?? 'unavailable';
    if (answer === 'ask') {
      this.#question = question;
      return 'dismissed';
    }
    this.#confirmed = answer === 'accepted';
    return answer;
  }

  #presentOptions(lastRound: boolean) {
    const { maxResultChars } = this.#services;
    const { caller } = this.#facts;
    return {
      maxChars: lastRound ? Number.POSITIVE_INFINITY : maxResultChars,
      mayUse: (tool: string) => CARDS.some((card) => card.name === tool && mayUse(card, caller)),
    };
  }

  /** Control decides; this only spares the verb and gives the same answer while nothing is listed. */
  #refuseOutOfReach(): void {
    if (mayUse(this.#card, this.#facts.caller)) return;
    const { scope, selfGated } = verbOf(this.#card);
    const needed = selfGated === true ? 'read' : scope;
    if (this.#facts.caller.scopes.includes(needed)) {
      throw new LitestreamError('READ_ONLY', `${this.#card.name} changes things and the server is in read-only mode.`);
    }
    throw new LitestreamError('SCOPE_REQUIRED', `${this.#card.name} needs the scope "${needed}".`, { details: { scope: needed } });
  }

  /** The error as the caller sees it; its cause goes to the log under the same ref. */
  failed(thrown: unknown): ToolError {
    const { signal } = this.#facts;
    const error = signal.aborted && !(thrown instanceof LitestreamError) ? asLitestreamError(signal.reason) : thrown;
    const shown = toToolError(error);
    const level = shown.code === 'INTERNAL' ? 'error' : 'debug';
    this.#services.log.log(level, 'mcp call failed', { tool: this.#card.name, ref: shown.ref, code: shown.code, error });
    return shown;
  }

  finish(outcome: CallOutcome): void {
    const { observer, clock, audit, auditReads, log } = this.#services;
    const seconds = (clock.monotonic() - this.#startedAt) / 1_000;
    const word = outcome.kind === 'answer' ? 'ok' : outcome.kind === 'ask' ? 'asked' : outcome.error.code;
    observer.called({ tool: this.#card.name, outcome: word, seconds });
    if (seconds > SLOW_SECONDS)
      log.log('info', 'slow mcp call', { tool: this.#card.name, outcome: word, seconds: Number(seconds.toFixed(3)) });
    const reads = this.#effect === 'read' || this.#effect === 'scratch';
    if (reads && !auditReads) return;
    audit.note({
      ...this.#line(outcome.kind === 'error' ? `refused ${outcome.error.code}` : 'allowed'),
      result: outcome.kind === 'error' ? `${word} ${outcome.error.ref}` : word,
      duration_ms: Math.round(seconds * 1_000),
      ...(outcome.kind === 'answer' ? { bytes: Buffer.byteLength(outcome.answer.text) } : {}),
    });
  }

  #line(decision: string): Omit<AuditLine, 'result' | 'duration_ms'> {
    const { caller, transport, era, client } = this.#facts;
    const { path, plan_id: planId } = this.#args;
    const short = (text: string) => clip(tidy(text), 200);
    return {
      time: new Date(this.#services.clock.now()).toISOString(),
      id: this.#id,
      principal: caller.principal,
      transport,
      era,
      ...(client === undefined ? {} : { client: short(client) }),
      tool: this.#card.name,
      effect: this.#effect,
      ...(typeof path === 'string' ? { database: short(path) } : {}),
      args: mapStrings({ ...this.#args }, short),
      ...(typeof planId === 'string' ? { plan_id: short(planId) } : {}),
      decision,
      confirmed_by: this.#confirmed ? 'elicitation' : 'none',
    };
  }
}

function asLitestreamError(reason: unknown): LitestreamError {
  return reason instanceof LitestreamError ? reason : new LitestreamError('CANCELLED', 'The call was cancelled.', { cause: reason });
}
