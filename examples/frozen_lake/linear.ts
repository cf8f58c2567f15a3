/** Exact linear algebra of small matrices. */

/**
 * The inverse of a matrix, by Gauss-Jordan elimination with partial pivoting.
 *
 * @param matrix `[N, N]`.
 * @returns Its inverse.
 * @throws {RangeError} If it has none.
 */
export function inverse(matrix: readonly (readonly number[])[]): number[][] {
  const size = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...matrix.map((_, j) => i === j ? 1 : 0)]);
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let i = column + 1; i < size; i++) {
      if (Math.abs(rows[i]?.[column] ?? 0) > Math.abs(rows[pivot]?.[column] ?? 0)) pivot = i;
    }
    const [top, chosen] = [rows[column], rows[pivot]];
    const scale = chosen?.[column] ?? 0;
    if (top === undefined || chosen === undefined || scale === 0) {
      throw new RangeError("inverse: the matrix is singular");
    }
    rows[pivot] = top;
    const normal = chosen.map((x) => x / scale);
    rows[column] = normal;
    rows.forEach((row, i) => {
      const factor = row[column] ?? 0;
      if (i !== column && factor !== 0) rows[i] = row.map((x, j) => x - factor * (normal[j] ?? 0));
    });
  }
  return rows.map((row) => row.slice(size));
}

/** The scalar product of two vectors. */
export function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((total, x, i) => total + x * (b[i] ?? 0), 0);
}
