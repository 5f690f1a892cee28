import { describe, expect, test } from 'vitest';
import { VERBS } from '../../src/control/verbs.ts';
import { TOOLSETS } from '../../src/mcp/card.ts';
import { instructionsFor } from '../../src/mcp/instructions.ts';
import { argumentNames, CARDS, definitionOf, hintsFor, schemasOf, verbOf, visibleCards } from '../../src/mcp/registry.ts';
import { callerWith, fullCaller, readerCaller } from './support/settings.ts';

const NAMED = ['info', 'databases', 'generations', 'snapshots', 'ltx', 'restore'].map((verb) => `litestream_${verb}`);

describe('every card', () => {
  for (const card of CARDS) {
    describe(card.name, () => {
      const definition = definitionOf(card, fullCaller);
      test('has its golden file', async () => {
        const golden = { ...definition, annotations: { full: definition.annotations, reader: hintsFor(card, readerCaller) } };
        await expect(`${JSON.stringify(golden, undefined, 2)}\n`).toMatchFileSnapshot(`golden/${card.name}.json`);
      });
      test('is named after a verb, in snake case', () => {
        expect(card.name).toMatch(/^litestream_[a-z]+(_[a-z]+)*$/);
        expect(VERBS).toHaveProperty(card.verb);
        expect(TOOLSETS).toContain(card.toolset);
      });
      test('has a description of at most 600 characters, the point in the first 200', () => {
        expect(card.description.length).toBeLessThanOrEqual(600);
        expect(card.description.indexOf('.')).toBeLessThan(200);
      });
      test('has an output schema whose root is an object and begins with summary', () => {
        const { output } = schemasOf(card);
        expect(output.type).toBe('object');
        expect(Object.keys(output.properties as object)[0]).toBe('summary');
        expect(output.required).toEqual(expect.arrayContaining(['summary', 'as_of']));
      });
      test('takes snake-case arguments, refuses others, and none that names a configuration or a URL', () => {
        const { input } = schemasOf(card);
        expect(input.additionalProperties).toBe(false);
        for (const name of Object.keys(input.properties as object)) expect(name).toMatch(/^[a-z]+(_[a-z]+)*$/);
        expect(JSON.stringify(input)).not.toMatch(/"(config|url|uri|parallelism)"/i);
        expect(argumentNames(card)).not.toContain('config');
      });
      test('describes parameters in at most 120 characters', () => {
        for (const property of Object.values(schemasOf(card).input.properties as Record<string, { description?: string }>)) {
          expect(property.description?.length ?? 0).toBeLessThanOrEqual(120);
        }
      });
      test('says all four hints, and says read-only only where it is true', () => {
        for (const caller of [fullCaller, readerCaller]) {
          const hints = hintsFor(card, caller);
          expect(Object.keys(hints)).toEqual(['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint']);
          const { effect } = verbOf(card);
          if (hints.readOnlyHint) expect(effect === 'read' || caller.readOnly).toBe(true);
          if (caller === fullCaller) expect(hints.destructiveHint).toBe(effect === 'destroy');
        }
      });
    });
  }
});

test('nothing that a model can call changes settings, tokens or modes (T18)', () => {
  const words = /config|token|scope|mode|allow|setting|retention/;
  for (const card of CARDS) expect(card.verb).not.toMatch(words);
});

test('the six named tools are there for whoever may read', () => {
  const names = visibleCards(readerCaller).map((card) => card.name);
  for (const name of NAMED) expect(names).toContain(name);
  expect(
    CARDS.filter((card) => card.named)
      .map((card) => card.name)
      .sort(),
  ).toEqual([...NAMED].sort());
});

test('restore is honestly read-only for a caller who can only plan', () => {
  const restore = CARDS.find((card) => card.verb === 'restore');
  if (restore === undefined) throw new Error('no restore card');
  expect(hintsFor(restore, readerCaller)).toMatchObject({ readOnlyHint: true, destructiveHint: false });
  expect(hintsFor(restore, callerWith({ readOnly: false }))).toMatchObject({ readOnlyHint: true });
  expect(hintsFor(restore, fullCaller)).toMatchObject({ readOnlyHint: false, destructiveHint: true, idempotentHint: false });
});

test('without the read scope nothing is shown', () => {
  expect(visibleCards(callerWith({ scopes: [] }))).toEqual([]);
});

/** Measured, and held: 5 % more is a decision to take, not an accident. */
test('lists stay small', () => {
  const size = (caller: typeof fullCaller) =>
    JSON.stringify({ tools: visibleCards(caller).map((card) => definitionOf(card, caller)) }).length;
  expect(size(fullCaller)).toBeLessThanOrEqual(20_000);
  expect(size(readerCaller)).toBeLessThanOrEqual(20_000);
  const descriptions = CARDS.map((card) => card.description.length);
  expect(descriptions.reduce((sum, length) => sum + length, 0) / CARDS.length).toBeLessThan(260);
});

test('instructions stay under 1,500 characters and state mode and scopes of the caller', () => {
  const long = callerWith({ ...fullCaller, principal: 'p'.repeat(64) });
  for (const caller of [readerCaller, fullCaller, long]) {
    for (const attached of ['daemon', 'offline'] as const) expect(instructionsFor(caller, attached).length).toBeLessThanOrEqual(1_500);
  }
  expect(instructionsFor(readerCaller, 'daemon')).toContain('read-only mode');
  expect(instructionsFor(fullCaller, 'daemon')).toContain('restore plans can be executed');
});
