/** Unix seconds, UTC. */
export type Clock = () => number;

/** The machine's clock, to the millisecond. */
export const systemClock: Clock = () => Date.now() / 1000;
