/**
 * Arrays against arrays, to the bit and within tolerances; engines against engines, and a folded
 * layer against layer and batch norm, on given data; gradients against differences of the loss; the
 * variance as other kernels compute it.
 */
@NullMarked
package dev.batchnorm.verify;

import org.jspecify.annotations.NullMarked;
