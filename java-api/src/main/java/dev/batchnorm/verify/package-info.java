/**
 * Arrays against arrays, to the bit and within tolerances; engines against engines, and a folded
 * layer against layer and batch norm, on given data; gradients against differences of the loss; how
 * hard data are for other kernels, and the variance as those compute it; assertions for tests.
 */
@NullMarked
package dev.batchnorm.verify;

import org.jspecify.annotations.NullMarked;
