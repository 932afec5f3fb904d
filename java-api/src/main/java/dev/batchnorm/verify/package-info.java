/**
 * Arrays against arrays, to the bit and within tolerances; engines against engines, and a folded
 * layer against layer and batch norm, on given data; and how hard data are for other kernels.
 */
@NullMarked
package dev.batchnorm.verify;

import org.jspecify.annotations.NullMarked;
