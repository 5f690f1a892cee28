/** Restore plans waiting for their second call: who made them, what they are bound to, and that each is used once (docs/mcp.md, A restore takes two calls). */

import { randomBytes } from 'node:crypto';
import { type Clock, systemClock } from '../base/clock.ts';
import { LitestreamError } from '../base/errors.ts';
import type { LegacyMoment } from '../engine/legacy/plan.ts';
import type { Moment } from '../engine/restore/plan.ts';
import type { OutputTarget } from './output-path.ts';
import type { PlanInput, PlanOut } from './verbs/restore-schema.ts';

/** Everything that must still be so when a plan is carried out. The list of files is not bound: compaction replaces files every few minutes. */
export interface PlanBinding {
  /** Absolute path of the database. */
  readonly database: string;
  readonly replica: string;
  /** Lineage inside the replica. */
  readonly generation: string;
  /** What is to be reached, in the lineage's own terms. */
  readonly state: Moment | LegacyMoment;
  /** The new file, which did not exist; its parent's identity is part of it. */
  readonly output: OutputTarget;
  readonly integrityCheck: 'none' | 'quick' | 'full';
}

export interface Plan {
  readonly id: string;
  readonly principal: string;
  readonly binding: PlanBinding;
  /** The arguments as given, to compare with what the second call repeats. */
  readonly asked: PlanInput;
  /** What the caller was shown. */
  readonly shown: PlanOut;
  /** ms since the epoch. */
  readonly expiresAt: number;
}

type State = 'open' | 'used' | 'revoked';

export interface PlanLimits {
  readonly ttlMs: number;
  readonly perPrincipal: number;
}

export class Plans {
  readonly #clock: Clock;
  readonly #limits: PlanLimits;
  readonly #plans = new Map<string, { readonly plan: Plan; state: State }>();

  constructor({ clock = systemClock, ttlMs = 600_000, perPrincipal = 50 }: { readonly clock?: Clock } & Partial<PlanLimits> = {}) {
    this.#clock = clock;
    this.#limits = { ttlMs, perPrincipal };
  }

  /** Plans that can still be carried out. */
  get open(): number {
    let total = 0;
    for (const { plan, state } of this.#plans.values()) if (state === 'open' && !this.#isExpired(plan)) total += 1;
    return total;
  }

  /** Keeps a plan; `describe` makes what the caller is shown from the plan's id and end of life. */
  create(
    principal: string,
    binding: PlanBinding,
    asked: PlanInput,
    describe: (identity: { readonly plan_id: string; readonly expiresAt: number }) => PlanOut,
  ): Plan {
    const id = `rp_${randomBytes(16).toString('base64url')}`;
    const expiresAt = this.#clock.now() + this.#limits.ttlMs;
    const plan: Plan = { id, principal, binding, asked, shown: describe({ plan_id: id, expiresAt }), expiresAt };
    this.#makeRoom(principal);
    this.#plans.set(id, { plan, state: 'open' });
    return plan;
  }

  /** The caller's open plan. PLAN_NOT_FOUND (also for someone else's), PLAN_USED, PLAN_EXPIRED. */
  find(principal: string, id: string): Plan {
    const kept = this.#plans.get(id);
    if (kept === undefined || kept.plan.principal !== principal || kept.state === 'revoked') {
      throw refused('PLAN_NOT_FOUND', 'there is no such restore plan of yours');
    }
    if (kept.state === 'used') throw refused('PLAN_USED', 'this restore plan was already carried out');
    if (this.#isExpired(kept.plan)) throw refused('PLAN_EXPIRED', 'this restore plan has expired');
    return kept.plan;
  }

  /** Marks the plan as used, in one step with the check: of any number of simultaneous calls exactly one returns. */
  use(plan: Plan): void {
    this.find(plan.principal, plan.id);
    const kept = this.#plans.get(plan.id);
    if (kept) kept.state = 'used';
  }

  isUsed(plan: Plan): boolean {
    return this.#plans.get(plan.id)?.state === 'used';
  }

  /** Takes a plan back for good, as after a person declined it. */
  revoke(plan: Plan): void {
    const kept = this.#plans.get(plan.id);
    if (kept) kept.state = 'revoked';
  }

  /** Forgets everything a principal planned, as when its token is removed. */
  revokeAll(principal: string): void {
    for (const [id, { plan }] of this.#plans) if (plan.principal === principal) this.#plans.delete(id);
  }

  #isExpired(plan: Plan): boolean {
    return this.#clock.now() >= plan.expiresAt;
  }

  /** Used and expired plans are remembered for one more life, so that the refusal can say which it was; then the oldest go first. */
  #makeRoom(principal: string): void {
    const forgotten = this.#clock.now() - this.#limits.ttlMs;
    for (const [id, { plan }] of this.#plans) if (plan.expiresAt <= forgotten) this.#plans.delete(id);
    const own = [...this.#plans.values()].filter(({ plan }) => plan.principal === principal);
    const spent = own.filter(({ plan, state }) => state !== 'open' || this.#isExpired(plan));
    const order = [...spent, ...own.filter((kept) => !spent.includes(kept))];
    for (const { plan } of order.slice(0, Math.max(0, own.length - this.#limits.perPrincipal + 1))) this.#plans.delete(plan.id);
  }
}

function refused(code: 'PLAN_NOT_FOUND' | 'PLAN_USED' | 'PLAN_EXPIRED', message: string): LitestreamError {
  return new LitestreamError(code, message, { hint: 'Make a new plan with restore_plan.' });
}
