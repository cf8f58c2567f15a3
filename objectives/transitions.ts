/** The moves of the transition matrix T, as Table 1 writes them. */

/** The move by target tokens. */
export const SUPERVISED_TRANSITION = "T(s*_n, s_{n-1}) -> T*";

/** The move by advantages of sampled tokens. */
export const SAMPLED_TRANSITION = "T(s_n, s_{n-1}) -> A-weighted T*";
