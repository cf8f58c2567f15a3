/**
 * Coefficients of the elementary functions, highest power first, in f32 unless they say otherwise.
 * All emitters share them, and not every one uses all.
 *
 * Sources: exp, log, sin and cos as in Cephes (S. Moshier), erf as in Eigen. Those of tanh, of
 * powers of 2 and of logarithms in integers are fitted, for the least largest relative error, by
 * Lawson's iteration; the errors named are those of the coefficients rounded to f32.
 */

/** ln 2 in two parts. The first has few digits, so that n times it is exact. */
export const LN2_PARTS = [0.693359375, -2.12194440e-4] as const;

/** A quarter turn, pi / 2, in three parts, the first two with few digits. */
export const QUARTER_PARTS = [
  1.5703125,
  4.837512969970703125e-4,
  7.54978995489188216e-8,
] as const;

/** `(e^r - 1 - r) / r^2` for |r| <= ln 2 / 2. */
export const EXP_TAIL: readonly number[] = [
  1.9875691500e-4,
  1.3981999507e-3,
  8.3334519073e-3,
  4.1665795894e-2,
  1.6666665459e-1,
  5.0000001201e-1,
];

/** `2^f` for |f| <= 1/2, within 1.6e-8. */
export const EXP2: readonly number[] = [
  1.5345812024e-4,
  1.3399931387e-3,
  9.6184889585e-3,
  5.5503287766e-2,
  2.4022646891e-1,
  6.9314720574e-1,
  1,
];

/** `(ln(1 + m) - m + m^2 / 2) / m^3` for 1 + m from sqrt(1/2) to sqrt(2). */
export const LOG_SERIES: readonly number[] = [
  7.0376836292e-2,
  -1.1514610310e-1,
  1.1676998740e-1,
  -1.2420140846e-1,
  1.4249322787e-1,
  -1.6668057665e-1,
  2.0000714765e-1,
  -2.4999993993e-1,
  3.3333331174e-1,
];

/**
 * `ln((1 + s) / (1 - s)) / (s ln 2)` of z = s^2, a Taylor series within 2e-15 for |s| <= 0.172, so
 * that `s LOG2_SERIES(s^2)` is the binary logarithm of `(1 + s) / (1 - s)`. For f64.
 */
export const LOG2_SERIES: readonly number[] = Array.from(
  { length: 9 },
  (_, i) => 2 / Math.LN2 / (2 * (8 - i) + 1),
);

/**
 * `ln(1 + t) / (t ln 2)` for 1 + t from sqrt(1/2) to sqrt(2), in units of 2^-30 and within 4e-12
 * before they are rounded to them. For integers.
 */
export const LOG2_UNITS: readonly number[] = [
  -77001914,
  143953888,
  -144303078,
  139443212,
  -152987836,
  172075337,
  -193746526,
  221303758,
  -258177192,
  309816219,
  -387270540,
  516360670,
  -774541002,
  1549082005,
];

/** `2^f` for |f| <= 1/2, a Taylor series within 3e-13. For f64. */
export const EXP2_SERIES: readonly number[] = Array.from({ length: 11 }, (_, i) => {
  const power = 10 - i;
  return Array.from({ length: power }, (_, k) => Math.LN2 / (k + 1)).reduce((a, b) => a * b, 1);
});

/** The first 256 bits of 2 / pi. */
export const QUARTERS = 0xa2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561n;

/** `(sin r - r) / r^3` of z = r^2, for |r| <= pi / 4. */
export const SINE: readonly number[] = [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1];

/** `(cos r - 1 + r^2 / 2) / r^4` of z = r^2, for |r| <= pi / 4. */
export const COSINE: readonly number[] = [
  2.443315711809948e-5,
  -1.388731625493765e-3,
  4.166664568298827e-2,
];

/** P and Q of `erf x = x P(x^2) / Q(x^2)` for |x| <= 4, where erf rounds to 1 beyond. */
export const ERF_NUMERATOR: readonly number[] = [
  -2.72614225801306e-10,
  2.77068142495902e-8,
  -2.10102402082508e-6,
  -5.69250639462346e-5,
  -7.34990630326855e-4,
  -2.95459980854025e-3,
  -1.60960333262415e-2,
];

/** See {@linkcode ERF_NUMERATOR}. */
export const ERF_DENOMINATOR: readonly number[] = [
  -1.45660718464996e-5,
  -2.13374055278905e-4,
  -1.68282697438203e-3,
  -7.37332916720468e-3,
  -1.42647390514189e-2,
];

/** P and Q of `Phi(-t) e^(t^2 / 2) = P(t) / Q(t)` within 3.2e-8 for t from 0 to 13.5. */
export const TAIL_NUMERATOR: readonly number[] = [
  4.037081079e-3,
  4.009861108e-2,
  1.816474477e-1,
  4.361483973e-1,
  0.5,
];

/** See {@linkcode TAIL_NUMERATOR}. */
export const TAIL_DENOMINATOR: readonly number[] = [
  1.011932275e-2,
  1.005195215e-1,
  4.652794955e-1,
  1.195902861,
  1.670181724,
  1,
];

/**
 * P and Q of `tanh x = x P(x^2) / Q(x^2)` within 4.2e-8 for |x| <= 9.02, and from there to 9.5 within
 * 4e-7. All are positive, so that nothing cancels.
 */
export const TANH_NUMERATOR: readonly number[] = [
  1.331889887e-8,
  2.058336577e-5,
  3.494028002e-3,
  1.33797124e-1,
  1,
];

/** See {@linkcode TANH_NUMERATOR}. */
export const TANH_DENOMINATOR: readonly number[] = [
  7.761951792e-7,
  3.283081751e-4,
  2.587104961e-2,
  4.671302736e-1,
  1,
];

/** Up to this size of x, the exponent of `geluDecay` is small enough for its rounding to be so, too. */
export const GELU_NEAR = 3;
