/** Share of the budget that references taking turns are uploaded into, where not all of them fit. */
const SLOT_SHARE = 1 / 8;
/** A reference takes another's place on the device only where its score is lower by this much (normalised accuracy). */
const HYSTERESIS = 0.02;

/**
 * Which references lie on the device, and whose turn it is. Where all fit, all lie there, and a tick compares all. Otherwise
 * those most at risk lie there and are compared at every tick (those given first before there are scores); the others take
 * turns, as many a tick as fit into a slot, at least one. Indices count the references as given. Holds no memory itself.
 */
export class Residence {
  readonly #sizes: readonly number[];
  /** bytes that references may take for good */
  #room: number;
  /** bytes uploaded together for one tick; one reference always is */
  #slot: number;
  #residents: readonly number[];
  /** those that do not lie there, the next in turn first */
  #queue: number[];
  /** [R] lowest predicted accuracy so far known of each; null: none */
  readonly #scores: (number | null)[];

  /**
   * @param sizes bytes of each reference
   * @param budget bytes that references may take of the device's memory, 0 or more
   */
  constructor(sizes: readonly number[], budget: number) {
    const isRoomForAll = total(sizes) <= budget;
    this.#sizes = sizes;
    this.#slot = isRoomForAll ? 0 : budget * SLOT_SHARE;
    this.#room = budget - this.#slot;
    this.#scores = sizes.map(() => null);
    this.#residents = this.#fitting([...sizes.keys()]);
    this.#queue = [...sizes.keys()].filter((r) => !this.#residents.includes(r));
  }

  /** Those of the list that fit into the room, the first ones first; ascending. */
  #fitting(wanted: readonly number[]): number[] {
    const found: number[] = [];
    let left = this.#room;
    for (const r of wanted) {
      if (this.#sizes[r] <= left) {
        found.push(r);
        left -= this.#sizes[r];
      }
    }
    return found.sort((a, b) => a - b);
  }

  /** Lie on the device; ascending. */
  get residents(): readonly number[] {
    return this.#residents;
  }

  /** Ticks from one comparison with a reference that takes turns to the next; 1 where none does. */
  get period(): number {
    return Math.max(1, this.#turns(this.#queue).length);
  }

  /** The most references that are on the device at a time. */
  get most(): number {
    return this.#residents.length + Math.max(0, ...this.#turns(this.#queue).map(({ length }) => length));
  }

  /** The references in parts that fit the slot, in order. */
  #turns(queue: readonly number[]): number[][] {
    const turns: number[][] = [];
    let left = 0;
    for (const r of queue) {
      const turn = turns.at(-1);
      if (turn === undefined || this.#sizes[r] > left) {
        turns.push([r]);
        left = this.#slot - this.#sizes[r];
      } else {
        turn.push(r);
        left -= this.#sizes[r];
      }
    }
    return turns;
  }

  /** What the next tick compares: those on the device and whose turn it is; ascending. They go to the end of the queue. */
  next(): number[] {
    const [turn = []] = this.#turns(this.#queue);
    this.#queue = [...this.#queue.slice(turn.length), ...turn];
    return [...this.#residents, ...turn].sort((a, b) => a - b);
  }

  /** All references, in parts to be compared one after the other: those on the device with the first. Ascending in each. */
  all(): number[][] {
    const [first = [], ...others] = this.#turns(this.#queue);
    return [[...this.#residents, ...first], ...others].map((part) => part.sort((a, b) => a - b));
  }

  /**
   * Takes note of the last scores, [R], null where there is none, and lets at most one reference that is more at risk take the
   * place of one that is less.
   */
  score(scores: readonly (number | null)[]): void {
    scores.forEach((score, r) => {
      this.#scores[r] = score ?? this.#scores[r];
    });
    const known = (list: readonly number[]) =>
      list.filter((r) => this.#scores[r] !== null).sort((a, b) => this.#scoreOf(a) - this.#scoreOf(b));
    const taken = total(this.#residents.map((r) => this.#sizes[r]));
    for (const coming of known(this.#queue)) {
      const fits = (r: number) => taken - this.#sizes[r] + this.#sizes[coming] <= this.#room;
      const leaving = known(this.#residents)
        .reverse()
        .find((r) => this.#scoreOf(r) > this.#scoreOf(coming) + HYSTERESIS && fits(r));
      if (leaving !== undefined) {
        this.#residents = [...this.#residents.filter((r) => r !== leaving), coming].sort((a, b) => a - b);
        this.#queue = [...this.#queue.filter((r) => r !== coming), leaving];
        return;
      }
    }
  }

  #scoreOf(r: number): number {
    return this.#scores[r] ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Leaves half of those on the device there, the ones most at risk, with half of the slot; where none lies there, one reference at a
   * time is uploaded. Gives false where that is so already.
   */
  retreat(): boolean {
    const [residents, most] = [this.#residents.length, this.most];
    const byRisk = [...this.#residents].sort((a, b) => this.#scoreOf(a) - this.#scoreOf(b));
    const kept = byRisk.slice(0, Math.floor(byRisk.length / 2));
    this.#room = total(kept.map((r) => this.#sizes[r]));
    this.#slot = kept.length === 0 ? 0 : this.#slot / 2;
    this.#residents = this.#fitting(kept);
    this.#queue.push(...byRisk.slice(kept.length));
    return this.#residents.length < residents || this.most < most;
  }
}

function total(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + size, 0);
}
