/**
 * Arrays against arrays, to the bit and within tolerances; engines against engines, and a folded
 * layer against layer and batch norm, on given data; assertions for tests.
 */
@NullMarked
package dev.batchnorm.verify;

import org.jspecify.annotations.NullMarked;
