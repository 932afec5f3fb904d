/**
 * Batch normalization with exact sums: the verbs ({@link dev.batchnorm.BatchNorm}) and the values
 * they take and give.
 *
 * <p>Equation ids (F1…F6, B1…B4) are those of {@code docs/math.md}.
 */
@NullMarked
package dev.batchnorm;

import org.jspecify.annotations.NullMarked;
