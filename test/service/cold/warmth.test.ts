import { beforeEach, describe, expect, test } from 'vitest';
import { type WarmMember, WarmSet } from '../../../src/service/cold/warm-set.ts';
import { Warmth } from '../../../src/service/cold/warmth.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';

const MINUTE = 60_000;

describe('the time a database stays open without a change', () => {
  test('is what the settings say, for one that sleeps for long', () => {
    const warmth = new Warmth(MINUTE);
    for (let i = 0; i < 10; i++) warmth.woke(60 * MINUTE);
    expect(warmth.patienceMs).toBe(MINUTE);
  });

  test('doubles with each short sleep and comes back with long ones', () => {
    const warmth = new Warmth(MINUTE);
    warmth.woke(30_000);
    warmth.woke(30_000);
    expect(warmth.patienceMs).toBe(4 * MINUTE);
    warmth.woke(100 * MINUTE);
    expect(warmth.patienceMs).toBe(2 * MINUTE);
  });

  test('grows faster when waking costs full files', () => {
    const warmth = new Warmth(MINUTE);
    warmth.woke(60 * MINUTE);
    warmth.wasCostly();
    expect(warmth.patienceMs).toBe(4 * MINUTE);
  });

  test('has an end, and never falls below the setting', () => {
    const warmth = new Warmth(MINUTE);
    for (let i = 0; i < 100; i++) warmth.wasCostly();
    expect(warmth.patienceMs).toBe(6 * 60 * MINUTE);
    expect(new Warmth(24 * 60 * MINUTE).patienceMs).toBe(24 * 60 * MINUTE);
    for (let i = 0; i < 100; i++) warmth.woke(Number.MAX_SAFE_INTEGER);
    expect(warmth.patienceMs).toBe(MINUTE);
  });
});

describe('WarmSet', () => {
  let clock: FakeClock;
  let warm: WarmSet;
  const never = new AbortController().signal;

  beforeEach(() => {
    clock = new FakeClock();
    warm = new WarmSet(clock, 3);
  });

  class Member implements WarmMember {
    usedAt = clock.monotonic();
    isBusy = false;
    isFirstLook = false;
    isReplicated = true;
    isOpen = false;
    cooled = 0;
    readonly patienceMs: number;

    constructor(patienceMs = 10 * MINUTE) {
      this.patienceMs = patienceMs;
    }

    get idleMs(): number {
      return this.isBusy ? 0 : clock.monotonic() - this.usedAt;
    }

    canCool(isPressed: boolean): boolean {
      return this.isOpen && (isPressed || this.isReplicated);
    }

    async cool(): Promise<boolean> {
      this.isOpen = false;
      this.cooled += 1;
      warm.leave(this);
      return true;
    }

    async enter(signal = never): Promise<this> {
      await warm.enter(this, signal);
      this.usedAt = clock.monotonic();
      this.isOpen = true;
      return this;
    }
  }

  const full = async (): Promise<Member[]> => {
    const members: Member[] = [];
    for (let i = 0; i < 3; i++) {
      members.push(await new Member().enter());
      await clock.advance(100);
    }
    return members;
  };

  test('closes what has been idle for its time, and nothing else', async () => {
    const short = await new Member(MINUTE).enter();
    const long = await new Member(5 * MINUTE).enter();
    await clock.advance(2 * MINUTE);
    expect([short.cooled, long.cooled]).toEqual([1, 0]);
    long.isReplicated = false;
    await clock.advance(10 * MINUTE);
    expect(long.cooled).toBe(0);
    long.isReplicated = true;
    await clock.advance(MINUTE);
    expect(long.cooled).toBe(1);
    await settle();
    expect(clock.sleeping).toBe(0);
  });

  test('gives the place of the longest idle one to whoever needs it', async () => {
    const [first, second, third] = await full();
    await clock.advance(MINUTE);
    if (first !== undefined) first.usedAt = clock.monotonic() - 2000;
    await new Member().enter();
    expect([first?.cooled, second?.cooled, third?.cooled]).toEqual([0, 1, 0]);
    expect(warm.size).toBe(3);
  });

  test('prefers those whose changes are at their replicas', async () => {
    const [first, second, third] = await full();
    await clock.advance(MINUTE);
    if (first !== undefined) first.isReplicated = false;
    await new Member().enter();
    expect([first?.cooled, second?.cooled, third?.cooled]).toEqual([0, 1, 0]);
    for (const member of [first, second, third]) if (member !== undefined) member.isReplicated = false;
    const late = new Member();
    late.isReplicated = false;
    await late.enter();
    expect(first?.cooled).toBe(1);
  });

  test('never closes a busy one; who waits is let in above the limit before long', async () => {
    const busy = await full();
    for (const member of busy) member.isBusy = true;
    let entered = false;
    const late = new Member();
    const entering = late.enter().then(() => {
      entered = true;
    });
    await clock.advance(4000);
    expect(entered).toBe(false);
    await clock.advance(2000);
    await entering;
    expect(warm.size).toBe(4);
    expect(busy.map(({ cooled }) => cooled)).toEqual([0, 0, 0]);
  });

  test('first looks take a part of the places only, and others go before them; they too are let in before long', async () => {
    warm = new WarmSet(clock, 100);
    const first = Array.from({ length: 50 }, () => Object.assign(new Member(), { isFirstLook: true, isBusy: true }));
    const entering = first.map((member) => member.enter());
    await settle();
    expect(warm.size).toBe(48);
    await new Member().enter();
    expect(warm.size).toBe(49);
    await clock.advance(1500);
    await Promise.all(entering);
    expect(warm.size).toBe(51);
  });

  test('lets in who waits in the order of coming, and forgets who gave up', async () => {
    const members = await full();
    for (const member of members) member.isBusy = true;
    const order: string[] = [];
    const giving = new AbortController();
    const waiting = ['a', 'b', 'c'].map((name) =>
      new Member().enter(name === 'b' ? giving.signal : never).then(
        () => order.push(name),
        () => order.push(`not ${name}`),
      ),
    );
    giving.abort(new Error('never mind'));
    await clock.advance(20_000);
    await Promise.all(waiting);
    expect(order).toEqual(['not b', 'a', 'c']);
    expect(warm.size).toBe(5);
  });
});
